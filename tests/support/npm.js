// The core set of calls with one of the original's npm clients: node npm.js CLIENT ENDPOINT KEY SECRET INSTANCE.
// It prints one JSON object of what was answered.

"use strict";

const [client, endpoint, accessKeyId, accessKeySecret, instance] = process.argv.slice(2);
const region = "local";

function popCore() {
  const { RPCClient } = require("@alicloud/pop-core");
  const core = new RPCClient({ accessKeyId, accessKeySecret, endpoint: `http://${endpoint}`, apiVersion: "2014-05-26" });
  return (action, fields) => {
    const given = { RegionId: region };
    for (const [name, value] of Object.entries(fields)) {
      const isMap = typeof value === "object" && !Array.isArray(value);
      given[name] = isMap ? JSON.stringify(value) : value;
    }
    return core.request(action, given, { method: "POST" });
  };
}

function ecs20140526() {
  const ecs = require("@alicloud/ecs20140526");
  const { $OpenApiUtil } = require("@alicloud/openapi-core");
  const config = new $OpenApiUtil.Config({ accessKeyId, accessKeySecret, endpoint, protocol: "http" });
  const made = new ecs.default(config);
  const lower = (name) => name[0].toLowerCase() + name.slice(1);
  return async (action, fields) => {
    const given = Object.fromEntries(Object.entries(fields).map(([name, value]) => [lower(name), value]));
    const answer = await made[lower(action)](new ecs[`${action}Request`]({ regionId: region, ...given }));
    return answer.body.toMap();
  };
}

async function main() {
  const call = client === "pop-core" ? popCore() : ecs20140526();
  const listed = await call("DescribeInstances", { InstanceIds: JSON.stringify([instance]) });
  const saved = await call("CreateCommand", {
    Name: `${client}-${Date.now()}`,
    Type: "RunShellScript",
    CommandContent: Buffer.from("echo {{who}}").toString("base64"),
    EnableParameter: true,
  });
  const ran = await call("InvokeCommand", {
    CommandId: saved.CommandId,
    InstanceId: [instance],
    Parameters: { who: "Jack" },
  });
  let result;
  do {
    await new Promise((resolve) => setTimeout(resolve, 200)); // as a client polls
    const found = await call("DescribeInvocationResults", { InvokeId: ran.InvokeId, ContentEncoding: "PlainText" });
    [result] = found.Invocation.InvocationResults.InvocationResult;
  } while (["Pending", "Running"].includes(result.InvocationStatus));
  await call("DeleteCommand", { CommandId: saved.CommandId });
  let code = "";
  try {
    await call("DeleteCommand", { CommandId: saved.CommandId });
  } catch (error) {
    code = error.code;
  }
  const name = listed.Instances.Instance[0].InstanceName;
  console.log(JSON.stringify({ name, output: result.Output, status: result.InvocationStatus, code }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
