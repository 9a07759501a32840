//! Where each node of a YAML document stands, and the refusal of what a document here may not use.
//!
//! Allowed is the plain part of YAML: one document of maps, lists and scalars. Anchors, aliases, tags,
//! merge keys, duplicate keys and keys that are not scalars are refused: each makes a file mean
//! something else than what a reader sees. Size, depth and the number of nodes are limited before
//! anything is built. What values mean is not decided here.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::{DocPath, Place, Problem, Problems, Seg, Severity};

/// Longest file, in bytes: far more than any procedure a person could walk.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting. The deepest legitimate path (a condition within a condition of a gate) has about 16.
pub const DEPTH_MAX: usize = 32;
/// Most nodes, keys included. A runbook of a hundred steps has about five thousand.
pub const NODES_MAX: usize = 50_000;

/// A node of a document with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A scalar as the author wrote it, with quotes and escapes resolved.
    Scalar {
        /// Its text.
        text: String,
        /// True if it was written without quotes and not as a block.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The node at this path, or the nearest one above it.
    pub fn nearest(&self, path: &DocPath) -> &Node {
        let mut node = self;
        for seg in &path.0 {
            match node.child(seg) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// Where the key at the end of this path stands; the place of the nearest node if there is none.
    pub fn key_place(&self, path: &DocPath) -> Place {
        let Some((Seg::Key(last), above)) = path.0.split_last() else { return self.nearest(path).place };
        let parent = self.nearest(&DocPath(above.to_vec()));
        match &parent.content {
            Content::Map(entries) => {
                entries.iter().find(|entry| &entry.key == last).map_or(parent.place, |entry| entry.key_place)
            }
            Content::List(_) | Content::Scalar { .. } => parent.place,
        }
    }

    /// The path, relative to this node, of the first scalar with this text.
    pub fn find_scalar(&self, wanted: &str) -> Option<DocPath> {
        let mut path = DocPath::root();
        self.find_below(wanted, &mut path).then_some(path)
    }

    fn find_below(&self, wanted: &str, path: &mut DocPath) -> bool {
        match &self.content {
            Content::Scalar { text, .. } => text == wanted,
            Content::List(items) => items.iter().enumerate().any(|(at, item)| {
                path.0.push(Seg::Index(at));
                item.find_below(wanted, path) || path.0.pop().is_none()
            }),
            Content::Map(entries) => entries.iter().any(|entry| {
                path.0.push(Seg::Key(entry.key.clone()));
                entry.value.find_below(wanted, path) || path.0.pop().is_none()
            }),
        }
    }

    fn child(&self, seg: &Seg) -> Option<&Node> {
        match (&self.content, seg) {
            (Content::Map(entries), Seg::Key(key)) => {
                entries.iter().find(|entry| &entry.key == key).map(|entry| &entry.value)
            }
            (Content::List(items), Seg::Index(index)) => items.get(*index),
            _ => None,
        }
    }
}

/// Reads a document's structure.
///
/// # Errors
/// Everything in it that is refused here; a syntax error or a limit ends the search.
pub fn locate(file: &str, bytes: &[u8]) -> Result<Node, Problems> {
    let mut builder = Builder { file, problems: Problems::default(), stack: Vec::new(), nodes: 0, root: None };
    match builder.read(bytes) {
        Ok(()) => {}
        Err(fatal) => builder.problems.0.push(*fatal),
    }
    builder.problems.settle();
    match builder.root {
        Some(root) if builder.problems.0.is_empty() => Ok(root),
        _ => Err(builder.problems),
    }
}

/// A collection that is not closed yet.
enum Open {
    List { place: Place, items: Vec<Node> },
    Map { place: Place, entries: Vec<Entry>, key: Option<(String, Place)>, seen: BTreeMap<String, Place> },
}

struct Builder<'a> {
    file: &'a str,
    problems: Problems,
    stack: Vec<Open>,
    nodes: usize,
    root: Option<Node>,
}

fn place_of(span: Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col().saturating_add(1) }
}

impl Builder<'_> {
    fn problem(&self, place: Option<Place>, message: impl Into<String>, suggestion: Option<&str>) -> Problem {
        Problem {
            severity: Severity::Error,
            file: self.file.to_owned(),
            place,
            path: self.path(),
            message: message.into(),
            suggestion: suggestion.map(str::to_owned),
        }
    }

    fn refuse(&mut self, place: Place, message: impl Into<String>, suggestion: Option<&str>) {
        let problem = self.problem(Some(place), message, suggestion);
        self.problems.0.push(problem);
    }

    #[expect(clippy::unnecessary_box_returns, reason = "it is the error of every function here, and large")]
    fn fatal(&self, place: Option<Place>, message: impl Into<String>) -> Box<Problem> {
        Box::new(self.problem(place, message, None))
    }

    /// The path of what is being read.
    fn path(&self) -> DocPath {
        let segs = self.stack.iter().filter_map(|open| match open {
            Open::List { items, .. } => Some(Seg::Index(items.len())),
            Open::Map { key, .. } => key.as_ref().map(|(key, _)| Seg::Key(key.clone())),
        });
        DocPath(segs.collect())
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), Box<Problem>> {
        if bytes.len() > FILE_BYTES_MAX {
            let message = format!("the file has {} bytes, more than the {FILE_BYTES_MAX} allowed", bytes.len());
            return Err(self.fatal(None, message));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| self.fatal(None, format!("the file is not UTF-8 after byte {}", error.valid_up_to())))?;
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let place =
                    Place { line: error.marker().line().max(1), column: error.marker().col().saturating_add(1) };
                self.fatal(Some(place), format!("not valid YAML: {}", error.info()))
            })?;
            self.event(&event, place_of(span))?;
        }
        if self.root.is_none() {
            return Err(self.fatal(None, "the file holds no document"));
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, place: Place) -> Result<(), Box<Problem>> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                return Err(self.fatal(Some(place), "a second document begins; a file holds one"));
            }
            Event::Alias(_) => {
                self.refuse(place, "an alias; write the value out, so that what is read is what is run", None);
                self.count(place)?;
                self.put(Node { place, content: Content::Scalar { text: String::new(), plain: false } });
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.decorations(place, *anchor, tag.is_some());
                self.count(place)?;
                let plain = *style == ScalarStyle::Plain;
                self.put(Node { place, content: Content::Scalar { text: text.to_string(), plain } });
            }
            Event::SequenceStart(anchor, tag) => {
                self.decorations(place, *anchor, tag.is_some());
                self.open(place, Open::List { place, items: Vec::new() })?;
            }
            Event::MappingStart(anchor, tag) => {
                self.decorations(place, *anchor, tag.is_some());
                self.open(place, Open::Map { place, entries: Vec::new(), key: None, seen: BTreeMap::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn decorations(&mut self, place: Place, anchor: usize, tagged: bool) {
        if anchor > 0 {
            self.refuse(place, "an anchor; write the value out where it is needed", None);
        }
        if tagged {
            self.refuse(place, "a tag; values have no types but their own", Some("quote it if a text is meant"));
        }
    }

    fn count(&mut self, place: Place) -> Result<(), Box<Problem>> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > NODES_MAX {
            return Err(self.fatal(Some(place), format!("more than the {NODES_MAX} nodes allowed")));
        }
        Ok(())
    }

    fn open(&mut self, place: Place, open: Open) -> Result<(), Box<Problem>> {
        self.count(place)?;
        if self.stack.len() >= DEPTH_MAX {
            return Err(self.fatal(Some(place), format!("nested deeper than the {DEPTH_MAX} levels allowed")));
        }
        self.stack.push(open);
        Ok(())
    }

    fn close(&mut self) {
        match self.stack.pop() {
            Some(Open::List { place, items }) => self.put(Node { place, content: Content::List(items) }),
            Some(Open::Map { place, entries, .. }) => self.put(Node { place, content: Content::Map(entries) }),
            None => {}
        }
    }

    /// Puts a finished node where it belongs: as the document, an item, a key or a value.
    fn put(&mut self, node: Node) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                Some((key, key_place)) => entries.push(Entry { key, key_place, value: node }),
                None => self.key(node),
            },
        }
    }

    fn key(&mut self, node: Node) {
        let place = node.place;
        let (text, plain) = match node.content {
            Content::Scalar { text, plain } => (text, plain),
            Content::List(_) | Content::Map(_) => {
                let suggestion = "put quotes around a text that begins with `{{`";
                self.refuse(place, "a key that is not a word", Some(suggestion));
                // Not a key that a file could hold twice: only the first report is wanted.
                (format!("\0{}:{}", place.line, place.column), false)
            }
        };
        if plain && text == "<<" {
            self.refuse(place, "a merge key; write the entries out", None);
        }
        let Some(Open::Map { key, seen, .. }) = self.stack.last_mut() else { return };
        let first = seen.get(&text).copied();
        seen.entry(text.clone()).or_insert(place);
        *key = Some((text.clone(), place));
        if let Some(first) = first {
            self.refuse(place, format!("`{text}` is there twice; first at line {}", first.line), None);
        }
    }
}
