// Prints what AsyncAPI's parser says of a document: what it finds wrong, and what it understands.
// Arguments: a folder that has the parser in its node_modules, and the document. It lies beside that folder's
// sources, not among them: another word here is no reason to fetch them anew.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, file] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const { Parser } = require('@asyncapi/parser');
const { AvroSchemaParser } = require('@asyncapi/avro-schema-parser');
const { ProtoBuffSchemaParser } = require('@asyncapi/protobuf-schema-parser');

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
parser.registerSchemaParser(ProtoBuffSchemaParser());
const { document, diagnostics } = await parser.parse(readFileSync(file, 'utf8'), { source: file });
const operations = document?.operations().all() ?? [];
const channels = document?.channels().all() ?? [];
// The names of all fields of a payload, as the parser understands it; a schema may hold itself.
const names = (schema, seen = new Set(), found = new Set()) => {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return found;
  seen.add(schema);
  for (const name of Object.keys(schema.properties ?? {})) found.add(name);
  for (const part of Object.values(schema)) names(part, seen, found);
  return found;
};
const bound = (binding) => ({ protocol: binding.protocol(), ...binding.value() });
const message = (item) => ({
  id: item.id(),
  name: item.name(),
  contentType: item.contentType(),
  format: item.schemaFormat(),
  payload: item.hasPayload(),
  fields: [...names(item.payload()?.json())].sort(),
  correlation: item.correlationId()?.location() ?? null,
  bindings: item.bindings().all().map((binding) => binding.protocol()),
});
process.stdout.write(JSON.stringify({
  problems: diagnostics.map(({ severity, code, message: text, path }) => ({ severity, code, text, path })),
  servers: (document?.servers().all() ?? []).map((item) => ({
    host: item.host(), protocol: item.protocol(), bindings: item.bindings().all().map(bound),
  })),
  channels: channels.map((item) => ({
    address: item.address(),
    messages: item.messages().all().map(message),
    bindings: item.bindings().all().map(bound),
  })),
  operations: operations.map((item) => ({
    action: item.action(),
    service: item.tags().all()[0]?.name(),
    addresses: item.channels().all().map((channel) => channel.address()),
    messages: item.messages().all().map((found) => found.name()),
    bindings: item.bindings().all().map(bound),
  })),
}));
