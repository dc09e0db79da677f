"""cfn-lint finds nothing in the synthesised templates, and moto's server creates the stack and runs its parts.

What moto does not implement is listed, not hidden: a resource that it passes over has no physical resource there.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3

folder = Path(sys.argv[1])

# W3005: the CDK also states dependencies that references imply already.
LINT = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W3005", "--"]

for variant in ("fargate", "gpu"):
    template = next((folder / variant).glob("*.template.json"))
    subprocess.run([*LINT, str(template)], check=True)
    print(f"cfn-lint: {variant}: clean")

# Loopback needs no proxy, and nothing here reaches AWS.
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", NO_PROXY="*", no_proxy="*")
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
# Step functions are walked by the project's own interpreter (test/infra/pipeline.test.ts).
server = subprocess.Popen(
    [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)


def client(service):
    return boto3.client(service, region_name="eu-central-1", endpoint_url=f"http://127.0.0.1:{port}")


def wait_until_up():
    for _ in range(150):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit("moto's server did not start")


def create(variant):
    """Creates the stack as `cdk deploy` would: assets first, then the template; returns its resources."""
    template = json.loads(next((folder / variant).glob("*.template.json")).read_text())
    assets = json.loads(next((folder / variant).glob("*.assets.json")).read_text())
    s3, cloudformation = client("s3"), client("cloudformation")
    bucket = "cdk-hnb659fds-assets-123456789012-eu-central-1"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for key, asset in assets["files"].items():
        source = folder / variant / asset["source"]["path"]
        if source.suffix == ".zip":
            s3.put_object(Bucket=bucket, Key=f"{key}.zip", Body=source.read_bytes())
    s3.put_object(Bucket=bucket, Key="template.json", Body=json.dumps(template).encode())
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    cloudformation.create_stack(
        StackName="himplos-test",
        TemplateURL=f"http://localhost:{port}/{bucket}/template.json",
        Capabilities=["CAPABILITY_IAM"],
    )
    stack = cloudformation.describe_stacks(StackName="himplos-test")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName="himplos-test")
    made = {r["LogicalResourceId"]: r for page in pages for r in page["StackResourceSummaries"]}
    return template["Resources"], made


def check_bucket(made):
    bucket = next(r for k, r in made.items() if k.startswith("ArtifactsBucket") and r["ResourceType"] == "AWS::S3::Bucket")
    name = bucket["PhysicalResourceId"]
    s3 = client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms", rules
    print("moto: the artifact bucket is versioned and encrypted with KMS")


def check_state_machine(made):
    arn = next(r["PhysicalResourceId"] for r in made.values() if r["ResourceType"] == "AWS::StepFunctions::StateMachine")
    definition = json.loads(client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"])
    assert definition["StartAt"] == "Phase 1", definition
    print(f"moto: the state machine has {len(definition['States'])} states")


try:
    wait_until_up()
    wanted, made = create("fargate")
    lacking = sorted({r["Type"] for k, r in wanted.items() if k not in made})
    print(f"moto: {len(made)} of {len(wanted)} resources created; it does not know {', '.join(lacking) or 'none'}")
    core = {"AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::SQS::Queue",
            "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine", "AWS::Batch::JobDefinition"}
    assert not core & set(lacking), core & set(lacking)
    check_bucket(made)
    check_state_machine(made)
finally:
    server.terminate()
    server.wait()
