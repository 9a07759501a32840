//! Checks a document's values against a JSON Schema and reports every error of shape at once.
//!
//! The schema is the one derived from the raw shapes, so that what an editor is told and what is
//! refused here cannot differ. Understood is what that derivation makes: references, maps with fixed
//! or free keys, lists, scalars, fixed words, alternatives, and "exactly one of these keys".
//!
//! Two things happen to the values on the way. A scalar without quotes where a text is wanted becomes
//! the characters that the author wrote: `8081`, `0123`, `1e3` and `true` are the texts they look like,
//! never a number written back in another way. And what is wrong is replaced by something of the right
//! shape, so that the checks after this one can still look at the rest of the file; the paths of these
//! repairs are kept, because what is said about them would be about something nobody wrote.

use serde_json::{Map, Value};

use super::{
    locate::{Content, Node},
    problem::{DocPath, Place, Problem, Problems, Severity, did_you_mean, nearest, one_of},
};

/// What the check of a document's shape found.
#[derive(Debug, Default)]
pub struct Shape {
    /// What is wrong.
    pub problems: Problems,
    /// Where something was put in the place of what the author wrote.
    pub repaired: Vec<DocPath>,
}

/// Checks `value` against `schema` and repairs it.
pub fn check(file: &str, schema: &Value, value: &mut Value, node: &Node) -> Shape {
    let mut walker = Walker { file, root: schema, shape: Shape::default() };
    walker.walk(schema, value, node, &DocPath::root());
    walker.shape
}

struct Walker<'a> {
    file: &'a str,
    root: &'a Value,
    shape: Shape,
}

impl<'a> Walker<'a> {
    fn report(&mut self, place: Place, path: &DocPath, message: String, suggestion: Option<String>) {
        self.shape.problems.0.push(Problem {
            severity: Severity::Error,
            file: self.file.to_owned(),
            place: Some(place),
            path: path.clone(),
            message,
            suggestion,
        });
        self.shape.repaired.push(path.clone());
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
        let Some(pointer) = reference.strip_prefix('#') else { return schema };
        self.root.pointer(pointer).unwrap_or(schema)
    }

    fn branches(&self, schema: &'a Value) -> Option<Vec<&'a Value>> {
        let list = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
        if schema.get("properties").is_some() {
            return None;
        }
        let mut all = Vec::new();
        for branch in list.iter().map(|branch| self.resolve(branch)) {
            match self.branches(branch) {
                Some(inner) => all.extend(inner),
                None => all.push(branch),
            }
        }
        Some(all)
    }

    fn walk(&mut self, schema: &'a Value, value: &mut Value, node: &Node, path: &DocPath) {
        let schema = self.resolve(schema);
        if let Some(branches) = self.branches(schema) {
            self.alternatives(&branches, value, node, path);
        } else if words_of(schema).is_some() {
            self.word(&[schema], &[], value, node, path);
        } else {
            match types_of(schema).as_slice() {
                ["object"] => self.map(schema, value, node, path),
                ["array"] => self.list(schema, value, node, path),
                ["boolean"] => self.boolean(value, node, path),
                ["integer"] => self.integer(schema, value, node, path),
                ["string"] => self.text(value, node, path),
                _ => self.scalar(value, node, path),
            }
        }
    }

    fn alternatives(&mut self, branches: &[&'a Value], value: &mut Value, node: &Node, path: &DocPath) {
        let fitting: Vec<&Value> = branches.iter().copied().filter(|branch| accepts(branch, node)).collect();
        match fitting.as_slice() {
            [] => {
                let mut wanted: Vec<&str> = branches.iter().map(|branch| noun(branch)).collect();
                wanted.dedup();
                self.wrong(value, node, path, &wanted.join(" or "), branches.first().copied());
            }
            [only] if words_of(only).is_none() => self.walk(only, value, node, path),
            _ if fitting.iter().all(|branch| types_of(branch) == ["object"]) => {
                self.tagged(&fitting, value, node, path);
            }
            _ => {
                if let Some(free) = fitting.iter().copied().find(|branch| words_of(branch).is_none()) {
                    return self.walk(free, value, node, path);
                }
                let others = branches.iter().filter(|branch| words_of(branch).is_none());
                let others: Vec<&str> = others.map(|branch| noun(branch)).collect();
                self.word(&fitting, &others, value, node, path);
            }
        }
    }

    /// A map with one key, which says what the rest is.
    fn tagged(&mut self, branches: &[&'a Value], value: &mut Value, node: &Node, path: &DocPath) {
        let tags: Vec<(&str, &Value)> = branches
            .iter()
            .filter_map(|branch| properties(branch)?.iter().next().map(|(tag, _)| (&**tag, *branch)))
            .collect();
        let Content::Map(entries) = &node.content else { return };
        let known: Vec<&str> = tags.iter().map(|(tag, _)| *tag).collect();
        let found: Vec<&(&str, &Value)> =
            tags.iter().filter(|(tag, _)| entries.iter().any(|entry| entry.key == *tag)).collect();
        match found.as_slice() {
            [(_, branch)] => self.map(branch, value, node, path),
            [] => {
                let first = entries.first();
                let suggestion = first.and_then(|entry| did_you_mean(&entry.key, known.iter().copied()));
                let place = first.map_or(node.place, |entry| entry.key_place);
                let path = first.map_or_else(|| path.clone(), |entry| path.key(&entry.key));
                let message = match first {
                    Some(entry) => format!("unknown key `{}`; expected {}", entry.key, one_of(known)),
                    None => format!("nothing in it; expected {}", one_of(known)),
                };
                self.report(place, &path, message, suggestion);
                self.repair(value, branches.first().copied());
            }
            several => {
                let names = several.iter().map(|(tag, _)| *tag);
                let message = format!("{} exclude each other; keep one", one_of(names).replace(" or ", " and "));
                self.report(node.place, path, message, None);
                self.repair(value, branches.first().copied());
            }
        }
    }

    fn map(&mut self, schema: &'a Value, value: &mut Value, node: &Node, path: &DocPath) {
        let Content::Map(entries) = &node.content else {
            return self.wrong(value, node, path, "a map", Some(schema));
        };
        let Value::Object(map) = value else { return };
        let properties = properties(schema);
        let free = schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut unknown = Vec::new();
        for entry in entries {
            let inner = path.key(&entry.key);
            let fixed = properties.and_then(|properties| properties.get(&entry.key));
            match (fixed.or(free), map.get_mut(&entry.key)) {
                (Some(schema), Some(value)) => self.walk(schema, value, &entry.value, &inner),
                (Some(_), None) => {}
                (None, _) => {
                    map.remove(&entry.key);
                    unknown.push(entry.key.as_str());
                    let known = properties.into_iter().flat_map(Map::keys).map(String::as_str);
                    let missing = known.filter(|key| !entries.iter().any(|entry| entry.key == *key));
                    let meant = nearest(&entry.key, missing);
                    // What is said to be missing under the right name follows from the wrong one.
                    self.shape.repaired.extend(meant.map(|key| path.key(key)));
                    let suggestion = meant.map(|key| format!("did you mean `{key}`?"));
                    self.report(entry.key_place, &inner, format!("unknown key `{}`", entry.key), suggestion);
                }
            }
        }
        self.missing(schema, map, &unknown, node, path);
        self.exactly_one(schema, map, &unknown, node, path);
    }

    fn missing(
        &mut self,
        schema: &'a Value,
        map: &mut Map<String, Value>,
        unknown: &[&str],
        node: &Node,
        path: &DocPath,
    ) {
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if map.contains_key(key) {
                continue;
            }
            let mut filler = Value::Null;
            self.repair(&mut filler, properties(schema).and_then(|properties| properties.get(key)));
            map.insert(key.to_owned(), filler);
            if unknown.iter().any(|word| did_you_mean(word, [key]).is_some()) {
                // The misspelt key is reported; that the right one is missing follows from it.
                self.shape.repaired.push(path.key(key));
            } else {
                self.report(node.place, &path.key(key), format!("`{key}` is missing"), None);
            }
        }
    }

    /// Holds a map to one of several sets of keys.
    fn exactly_one(
        &mut self,
        schema: &'a Value,
        map: &mut Map<String, Value>,
        unknown: &[&str],
        node: &Node,
        path: &DocPath,
    ) {
        let Some(sets) = key_sets(schema) else { return };
        let began: Vec<&Vec<&str>> =
            sets.iter().filter(|set| set.first().is_some_and(|first| map.contains_key(*first))).collect();
        let keys = sets.iter().filter_map(|set| set.first().copied());
        match began.as_slice() {
            [set] => {
                let missing: Vec<&str> = set.iter().copied().filter(|key| !map.contains_key(*key)).collect();
                for key in missing {
                    self.report(node.place, &path.key(key), format!("`{key}` is missing"), None);
                    self.fill(schema, map, key);
                }
            }
            [] => {
                if unknown.is_empty() {
                    let message = format!("none of these keys is there: {}", one_of(keys));
                    self.report(node.place, path, message, None);
                } else {
                    self.shape.repaired.push(path.clone());
                }
                sets.first().into_iter().flatten().for_each(|key| self.fill(schema, map, key));
            }
            several => {
                let names: Vec<&str> = several.iter().filter_map(|set| set.first().copied()).collect();
                let message =
                    format!("{} exclude each other; keep one", one_of(names.iter().copied()).replace(" or ", " and "));
                self.report(
                    node.place,
                    path,
                    message,
                    Some("several things are several entries of the list".to_owned()),
                );
                names.iter().skip(1).for_each(|key| drop(map.remove(*key)));
            }
        }
    }

    fn fill(&self, schema: &'a Value, map: &mut Map<String, Value>, key: &str) {
        let mut filler = Value::Null;
        self.repair(&mut filler, properties(schema).and_then(|properties| properties.get(key)));
        map.insert(key.to_owned(), filler);
    }

    fn list(&mut self, schema: &'a Value, value: &mut Value, node: &Node, path: &DocPath) {
        let Content::List(nodes) = &node.content else {
            let suggestion_fits = schema.get("items").is_some_and(|items| accepts(self.resolve(items), node));
            let wanted = if suggestion_fits { "a list; write `- ` before it" } else { "a list" };
            return self.wrong(value, node, path, wanted, Some(schema));
        };
        let (Value::Array(items), Some(inner)) = (value, schema.get("items")) else { return };
        for (at, (item, node)) in items.iter_mut().zip(nodes).enumerate() {
            self.walk(inner, item, node, &path.index(at));
        }
    }

    /// One of fixed words; `others` is what else could stand here.
    fn word(&mut self, branches: &[&'a Value], others: &[&str], value: &mut Value, node: &Node, path: &DocPath) {
        let words: Vec<&str> = branches.iter().filter_map(|branch| words_of(branch)).flatten().collect();
        let Content::Scalar { text, .. } = &node.content else {
            return self.wrong(value, node, path, &one_of(words), branches.first().copied());
        };
        if words.contains(&text.as_str()) {
            *value = Value::String(text.clone());
            return;
        }
        let suggestion = did_you_mean(text, words.iter().copied());
        let first = words.first().map(|word| (*word).to_owned());
        let mut wanted = vec![one_of(words)];
        wanted.extend(others.iter().map(|other| (*other).to_owned()));
        self.report(node.place, path, format!("`{}` is not {}", clip(text), wanted.join(" or ")), suggestion);
        *value = first.map_or(Value::Null, Value::String);
    }

    fn boolean(&mut self, value: &mut Value, node: &Node, path: &DocPath) {
        if value.is_boolean() && matches!(node.content, Content::Scalar { plain: true, .. }) {
            return;
        }
        if let Content::Scalar { text, .. } = &node.content {
            let meant = match text.to_lowercase().as_str() {
                "yes" | "on" | "true" | "1" => Some("did you mean `true`?"),
                "no" | "off" | "false" | "0" => Some("did you mean `false`?"),
                _ => None,
            };
            self.report(node.place, path, format!("`{text}` is not `true` or `false`"), meant.map(str::to_owned));
            *value = Value::Bool(false);
            return;
        }
        self.wrong(value, node, path, "`true` or `false`", None);
        *value = Value::Bool(false);
    }

    fn integer(&mut self, schema: &'a Value, value: &mut Value, node: &Node, path: &DocPath) {
        let (least, most) = bounds(schema);
        let given = if matches!(node.content, Content::Scalar { plain: true, .. }) { whole(value) } else { None };
        match given {
            Some(number) if (least..=most).contains(&number) => {}
            Some(number) => {
                self.report(node.place, path, format!("{number} is not between {least} and {most}"), None);
                *value = Value::from(0);
            }
            None => {
                self.wrong(value, node, path, "a whole number", None);
                *value = Value::from(0);
            }
        }
    }

    fn text(&mut self, value: &mut Value, node: &Node, path: &DocPath) {
        match &node.content {
            Content::Scalar { plain: true, .. } if value.is_null() => {
                let suggestion = "write \"\" if an empty text is meant, or leave the key out".to_owned();
                self.report(node.place, path, "no value".to_owned(), Some(suggestion));
                *value = Value::String(String::new());
            }
            Content::Scalar { text, .. } => *value = Value::String(text.clone()),
            Content::Map(_) | Content::List(_) => {
                self.wrong(value, node, path, "a text", None);
                *value = Value::String(String::new());
            }
        }
    }

    /// A text, a number or a bool, kept as what it is; a number that JSON would write in another way
    /// than the author did stays a text.
    fn scalar(&mut self, value: &mut Value, node: &Node, path: &DocPath) {
        match &node.content {
            Content::Scalar { text, .. } if matches!(value, Value::Number(number) if number.to_string() != *text) => {
                *value = Value::String(text.clone());
            }
            Content::Scalar { .. } if !value.is_null() => {}
            Content::Scalar { .. } | Content::Map(_) | Content::List(_) => self.text(value, node, path),
        }
    }

    fn wrong(&mut self, value: &mut Value, node: &Node, path: &DocPath, wanted: &str, schema: Option<&'a Value>) {
        let found = match &node.content {
            Content::Map(_) => "a map".to_owned(),
            Content::List(_) => "a list".to_owned(),
            Content::Scalar { text, plain: true } if value.is_null() && text.is_empty() => "nothing".to_owned(),
            Content::Scalar { text, .. } => format!("`{}`", clip(text)),
        };
        self.report(node.place, path, format!("expected {wanted}, found {found}"), None);
        self.repair(value, schema);
    }

    /// Puts something of the right shape in the place of `value`.
    fn repair(&self, value: &mut Value, schema: Option<&'a Value>) {
        // The deepest required part of a kind is three levels down; a schema that never ends is not made.
        *value = schema.map_or(Value::Null, |schema| self.filler(schema, 8));
    }

    fn filler(&self, schema: &'a Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        let Some(depth) = depth.checked_sub(1) else { return Value::Null };
        if let Some(first) = self.branches(schema).as_deref().and_then(<[&Value]>::first) {
            return self.filler(first, depth);
        }
        if let Some(word) = words_of(schema).as_deref().and_then(<[&str]>::first) {
            return Value::from(*word);
        }
        match types_of(schema).as_slice() {
            ["object"] => {
                let required = schema.get("required").and_then(Value::as_array);
                let first_set = key_sets(schema).and_then(|sets| sets.first().cloned()).unwrap_or_default();
                let keys = required.into_iter().flatten().filter_map(Value::as_str).chain(first_set);
                let entry = |key: &str| {
                    let schema = properties(schema).and_then(|properties| properties.get(key));
                    (key.to_owned(), schema.map_or(Value::Null, |schema| self.filler(schema, depth)))
                };
                Value::Object(keys.map(entry).collect())
            }
            ["array"] => Value::Array(Vec::new()),
            ["boolean"] => Value::Bool(false),
            ["integer"] => Value::from(0),
            _ => Value::String(String::new()),
        }
    }
}

fn clip(text: &str) -> String {
    // Long enough to recognise a value by, short enough for one line.
    const CHARS_MAX: usize = 40;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// The sets of keys of which a map has exactly one.
fn key_sets(schema: &Value) -> Option<Vec<Vec<&str>>> {
    properties(schema)?;
    let sets = schema.get("oneOf")?.as_array()?;
    sets.iter().map(required_of).collect()
}

fn required_of(schema: &Value) -> Option<Vec<&str>> {
    Some(schema.get("required")?.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn types_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The words that a schema of fixed words allows.
fn words_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    Some(schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect())
}

fn accepts(schema: &Value, node: &Node) -> bool {
    let wanted = types_of(schema);
    match &node.content {
        Content::Map(_) => wanted.contains(&"object"),
        Content::List(_) => wanted.contains(&"array"),
        Content::Scalar { .. } => wanted.iter().any(|name| !matches!(*name, "object" | "array")),
    }
}

fn noun(schema: &Value) -> &'static str {
    match types_of(schema).as_slice() {
        ["object"] => "a map",
        ["array"] => "a list",
        ["boolean"] => "`true` or `false`",
        ["integer"] => "a whole number",
        _ if words_of(schema).is_some() => "a word",
        _ => "a text",
    }
}

/// The least and the most that an integer may be.
fn bounds(schema: &Value) -> (i128, i128) {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint64") => (0, i128::from(u64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    let least = schema.get("minimum").and_then(Value::as_i64).map_or(least, |minimum| least.max(i128::from(minimum)));
    (least, most)
}
