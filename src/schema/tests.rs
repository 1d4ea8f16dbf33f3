//! Column schemas held to laws on generated input and to cases in `fixtures/schema`.

use serde_json::json;

use crate::schema::{Numbers, read};

#[test]
fn thin() {
    let schema = json!({"type":"object","properties":{
        "id":{"type":"integer"},"userName":{"type":["null","string"]},
        "n":{"oneOf":[{"type":"number"},{"type":"null"},{"type":"integer"}]},
        "address":{"type":"object","properties":{"1st":{"$ref":"#/definitions/x"},"self":{"$ref":"#/properties/address"}}},
        "open":{"type":"object","properties":{"a":{}},"additionalProperties":true},
        "tags":{"type":"array","items":{"type":"string"}}},
        "definitions":{"x":{"$ref":"WellKnownTypes.json#/definitions/TimestampWithTimezone"}}});
    let schema = read(&schema, Numbers::Double, &[]);
    for field in &schema.fields {
        println!("{} {} {}", field.key, field.name, field.of);
    }
    for note in &schema.notes {
        println!("{note}");
    }
}
