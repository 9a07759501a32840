//! The JSON Schema of runbooks and inventories, made from the raw shapes: what editors are given, and what
//! a document's shape is checked against.
//!
//! One change to what the derive makes: a key that may be left out may not be there without a value, so
//! `null` is nowhere allowed. A key with nothing behind it is nearly always something forgotten.

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::Value;

use super::raw::RawRunbook;
use crate::inventory::raw::RawInventory;

static RUNBOOK: LazyLock<Value> =
    LazyLock::new(|| finish(generator().into_root_schema_for::<RawRunbook>(), "Firstlight runbook, format 1"));

static INVENTORY: LazyLock<Value> =
    LazyLock::new(|| finish(generator().into_root_schema_for::<RawInventory>(), "Firstlight inventory, format 1"));

/// The schema of a runbook, format 1.
pub fn runbook_schema() -> &'static Value {
    &RUNBOOK
}

/// The schema of an inventory, format 1.
pub fn inventory_schema() -> &'static Value {
    &INVENTORY
}

/// The text of a schema file: pretty JSON with a line end.
pub fn schema_file(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn finish(mut schema: Schema, title: &str) -> Value {
    no_null(&mut schema);
    schema.insert("title".to_owned(), Value::from(title));
    if let Some(Value::Object(properties)) = schema.get_mut("properties")
        && let Some(Value::Object(format)) = properties.get_mut("format")
    {
        format.insert("const".to_owned(), Value::from(super::raw::FORMAT));
    }
    schema.to_value()
}

fn no_null(schema: &mut Schema) {
    // Defaults are said in the descriptions; the derive's own ones are `null` for most keys.
    schema.remove("default");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
    }
    transform_subschemas(&mut no_null, schema);
}
