// Reads resources as a JSON list from standard input and says what the Prometheus operator, cert-manager and
// Gateway API would not take: the schemas find wrong values and missing fields, the compiler fields that do not exist.
import { readFileSync, writeFileSync } from "node:fs";
import ts from "typescript";

const PACKAGES = {
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
  "cert-manager.io/v1": "@kubernetes-models/cert-manager/cert-manager.io/v1",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

const wrong = [];
const lines = [];
for (const [index, resource] of JSON.parse(readFileSync(0, "utf8")).entries()) {
  const { apiVersion, kind, metadata } = resource;
  const name = `${kind}/${metadata?.name}`;
  const from = PACKAGES[apiVersion];
  const Model = from && (await import(from))[kind];
  if (!Model) {
    wrong.push(`${name}: nothing is known of ${apiVersion}`);
    continue;
  }
  try {
    new Model(resource).validate();
  } catch (error) {
    wrong.push(`${name}: ${error.message}`);
  }
  lines.push(
    `import type { I${kind} as T${index} } from "${from}"; const r${index}: T${index} = ${JSON.stringify(resource)};`,
  );
}

// Beside this script, so that its packages are found.
const file = new URL("./resources.mts", import.meta.url).pathname;
writeFileSync(file, lines.join("\n"));
const program = ts.createProgram([file], {
  module: ts.ModuleKind.NodeNext,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
});
for (const { messageText } of ts.getPreEmitDiagnostics(program)) {
  wrong.push(ts.flattenDiagnosticMessageText(messageText, " "));
}
console.log(wrong.join("\n"));
process.exitCode = wrong.length > 0 ? 1 : 0;
