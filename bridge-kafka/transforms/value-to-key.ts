import { field, fieldsOf, REPLACE_NULL, type TransformClass } from "./transform.ts"

export const VALUE_TO_KEY: TransformClass = {
  name: "ValueToKey",
  aliases: ["org.apache.kafka.connect.transforms.ValueToKey"],
  doc: "Makes the key an object of some fields of the value; absent ones are null. ExtractField$Key after it makes it a single value. The partition follows the new key.",
  keys: [{ name: "fields", type: "list", required: true, min: 1, doc: "Names of the fields." }, REPLACE_NULL],
  create: settings => {
    const names = settings.fields as readonly string[]
    return {
      reads: ["value"],
      apply: record => {
        const from = fieldsOf(record, "value", "copy fields to the key")
        return { ...record, key: Object.fromEntries(names.map(name => [name, field(from, name)])) }
      },
    }
  },
}
