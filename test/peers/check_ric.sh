#!/usr/bin/env bash
# The built embeddings function run by aws-lambda-ric, AWS's own runtime client, against the Runtime API server of the
# tests: `check_ric.sh FOLDER`. The client is compiled into FOLDER (curl and a native addon, about a minute); where that
# cannot be done, the check says why and is skipped.
set -euo pipefail
folder=$(realpath "$1")
root=$(realpath "$(dirname "$0")/../..")

skip() {
  echo "skipped check_ric.sh: $1"
  exit 0
}

for tool in cmake g++ make python3 xz; do
  command -v "$tool" >/dev/null || skip "compiling aws-lambda-ric needs $tool"
done
# Where Node comes from the npm package, its headers lie there.
headers=$(dirname "$(dirname "$(node -p 'process.execPath')")")
[ -d "$headers/include/node" ] || skip "there are no headers beside $(node -p 'process.execPath')"
echo '{"private": true, "allowScripts": {"aws-lambda-ric": true}}' >"$folder/package.json"
# Under `npm run` the project's own ignore-scripts would come along, and nothing would be compiled.
npm_config_ignore_scripts=false npm_config_nodedir="$headers" npm install --prefix "$folder" --no-audit --no-fund aws-lambda-ric@4.0.2 \
  >"$folder/install.log" 2>&1 || skip "it cannot be installed ($(grep -m1 -iE 'error' "$folder/install.log" || tail -n 1 "$folder/install.log"))"

echo "running check_ric.sh"
cd "$root"
HIMPLOS_RIC="$folder/node_modules/aws-lambda-ric/index.mjs" vitest run test/functions/embeddings.test.ts -t 'run by aws-lambda-ric'
