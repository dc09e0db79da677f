"""cfn-lint finds nothing in the synthesised templates, and moto's server creates the stack; what it lacks is listed."""

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
from moto.cloudformation.parsing import resource_class_from_type

folder = Path(sys.argv[1])

LINT = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json", "--"]

for variant in ("fargate", "gpu"):
    template = next((folder / variant).glob("*.template.json"))
    result = subprocess.run([*LINT, str(template)], stdout=subprocess.PIPE, text=True)
    assert result.returncode == 0 and json.loads(result.stdout) == [], result.stdout
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


def aws(*words):
    """The AWS command line."""
    command = [str(Path(sys.executable).with_name("aws")), "--region", "eu-central-1"]
    command += ["--endpoint-url", f"http://127.0.0.1:{port}", *words]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)


def wait_until_up():
    for _ in range(150):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit("moto's server did not start")


# What is left out, and why. Anything else that moto does not take fails the check.
NOT_KNOWN = "moto's CloudFormation does not know it"
LEFT_OUT = {
    "AWS::ApiGatewayV2::Api": NOT_KNOWN,
    "AWS::ApiGatewayV2::Authorizer": NOT_KNOWN,
    "AWS::ApiGatewayV2::Integration": NOT_KNOWN,
    "AWS::ApiGatewayV2::Route": NOT_KNOWN,
    "AWS::ApiGatewayV2::Stage": NOT_KNOWN,
    "AWS::CloudWatch::Alarm": NOT_KNOWN,
    "AWS::Lambda::Alias": NOT_KNOWN,
    "AWS::S3::BucketPolicy": NOT_KNOWN,
    "AWS::SNS::TopicPolicy": NOT_KNOWN,
    "AWS::SQS::QueuePolicy": NOT_KNOWN,
    "AWS::Scheduler::Schedule": NOT_KNOWN,
    "AWS::Lambda::Permission": "it names an alias, which moto does not know",
    "AWS::Lambda::EventSourceMapping": "it names an alias, which moto does not know",
    "AWS::Batch::ComputeEnvironment": "moto insists on a service role, where AWS has its own",
    "AWS::Batch::JobQueue": "it names a compute environment",
}


def what_moto_takes(template):
    """The template without what moto lacks: references to that become names, and tags go, which moto misreads on keys."""
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    unknown = {kind for kind in kinds - LEFT_OUT.keys() if resource_class_from_type(kind) is None}
    assert not unknown, f"moto lacks {sorted(unknown)}: say so in LEFT_OUT"
    known = {kind for kind, why in LEFT_OUT.items() if why == NOT_KNOWN and resource_class_from_type(kind) is not None}
    assert not known, f"moto has {sorted(known)}: take it out of LEFT_OUT"
    assert LEFT_OUT.keys() <= kinds, f"no such resource: {sorted(LEFT_OUT.keys() - kinds)}"
    gone = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] in LEFT_OUT
    }

    def without(node):
        if isinstance(node, list):
            return [without(item) for item in node if item not in list(gone)]
        if not isinstance(node, dict):
            return node
        target = node.get("Ref") or (node.get("Fn::GetAtt") or [None])[0]
        if target in gone:
            return f"arn:aws:absent:eu-central-1:123456789012:absent:{target}:live"
        return {key: without(value) for key, value in node.items() if key != "Tags" and value not in list(gone)}

    resources = {name: without(r) for name, r in template["Resources"].items() if name not in gone}
    return {**template, "Resources": resources, "Outputs": without(template["Outputs"])}


def create(variant):
    """Creates the stack as `cdk deploy` would, assets first and then the template; returns what was made."""
    template = json.loads(next((folder / variant).glob("*.template.json")).read_text())
    assets = json.loads(next((folder / variant).glob("*.assets.json")).read_text())
    taken = what_moto_takes(template)
    s3, cloudformation = client("s3"), client("cloudformation")
    bucket = "cdk-hnb659fds-assets-123456789012-eu-central-1"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for key, asset in assets["files"].items():
        source = folder / variant / asset["source"]["path"]
        if source.suffix == ".zip":
            s3.put_object(Bucket=bucket, Key=f"{key}.zip", Body=source.read_bytes())
    s3.put_object(Bucket=bucket, Key="template.json", Body=json.dumps(taken).encode())
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    aws("cloudformation", "create-stack", "--stack-name", "himplos-test", "--capabilities", "CAPABILITY_IAM",
        "--template-url", f"http://localhost:{port}/{bucket}/template.json")
    stack = cloudformation.describe_stacks(StackName="himplos-test")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName="himplos-test")
    made = {r["LogicalResourceId"]: r for page in pages for r in page["StackResourceSummaries"]}
    assert made.keys() == taken["Resources"].keys(), made.keys() ^ taken["Resources"].keys()
    print(f"moto: {len(made)} of {len(template['Resources'])} resources created; left out, because it lacks them:")
    for kind in sorted(LEFT_OUT):
        names = [name for name, resource in template["Resources"].items() if resource["Type"] == kind]
        print(f"  {len(names)} × {kind}: {LEFT_OUT[kind]}")
    return made


def check_bucket(made):
    bucket = next(r for k, r in made.items() if k.startswith("ArtifactsBucket") and r["ResourceType"] == "AWS::S3::Bucket")
    name = bucket["PhysicalResourceId"]
    s3 = client("s3")
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms", rules
    print("moto: the artifact bucket is encrypted with KMS")


def check_functions(made):
    names = [r["PhysicalResourceId"] for r in made.values() if r["ResourceType"] == "AWS::Lambda::Function"]
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in (folder / "fargate").glob("*.zip")}
    assert len(names) == len(digests) == 3, names
    for name in names:
        function = client("lambda").get_function(FunctionName=name)["Configuration"]
        digests.remove(base64.b64decode(function["CodeSha256"]))
        print(f"moto: {name} holds the zip of {function['CodeSize']} bytes")


def check_state_machine(made):
    arn = next(r["PhysicalResourceId"] for r in made.values() if r["ResourceType"] == "AWS::StepFunctions::StateMachine")
    definition = json.loads(client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"])
    assert definition["StartAt"] == "Phase 1", definition
    print(f"moto: the state machine has {len(definition['States'])} states")


try:
    wait_until_up()
    made = create("fargate")
    core = {"AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::SQS::Queue",
            "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine", "AWS::Batch::JobDefinition"}
    assert core <= {r["ResourceType"] for r in made.values()}
    check_bucket(made)
    check_functions(made)
    check_state_machine(made)
finally:
    server.terminate()
    server.wait()
