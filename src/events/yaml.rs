//! YAML with its source text kept: what a rule file says is neither `true` nor 10 until a rule asks for it.
//!
//! Falco reads its files so: an account id `012345670123` in a list is a text, and so are `yes`, `1e3` and `~`.
//! Every value knows its line.

use granit_parser::{Event, Parser, ScalarStyle};
use thiserror::Error;

/// Values that one file may have, aliases counted each time they are used.
const MOST_NODES: usize = 500_000;
/// Lists in lists, and keys in keys.
const DEEPEST: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, counted from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value of YAML, uninterpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, and whether it stood without quotation marks and was not a block.
    Scalar(String, bool),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in the order they were written.
    Mapping(Vec<(Node, Node)>),
}

/// Why a text is no YAML, or none that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct YamlError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Node {
    /// The value of a key; of a key given twice the first, as in Falco's reader.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Whether nothing was written: `key:`, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The elements of a list; none for other values.
    #[must_use]
    pub fn elements(&self) -> &[Self] {
        match &self.value {
            Value::Sequence(elements) => elements,
            Value::Scalar(..) | Value::Mapping(_) => &[],
        }
    }

    /// The keys and values of a mapping; none for other values.
    #[must_use]
    pub fn members(&self) -> &[(Self, Self)] {
        match &self.value {
            Value::Mapping(members) => members,
            Value::Scalar(..) | Value::Sequence(_) => &[],
        }
    }

    /// The truth value that YAML 1.1 reads in it.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        }
    }
}

/// A list or a mapping that is not complete yet.
struct Open {
    line: usize,
    anchor: usize,
    nodes: Vec<Node>,
    is_mapping: bool,
}

/// Reads all documents of a file.
///
/// # Errors
/// When it is no YAML, or is deeper or larger than what is taken, aliases written out.
pub fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event
            .map_err(|error| YamlError { line: error.marker().line(), reason: error.info().to_owned() })?;
        builder.take(event, span.start.line())?;
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: std::collections::HashMap<usize, Node>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                return self.close(Node { line, value }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => return self.begin(line, anchor, false),
            Event::MappingStart(_, anchor, _) => return self.begin(line, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = if open.is_mapping {
                    Value::Mapping(pairs(open.nodes))
                } else {
                    Value::Sequence(open.nodes)
                };
                return self.close(Node { line: open.line, value }, open.anchor);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(YamlError { line, reason: "an alias of something that holds it".to_owned() });
                };
                self.count(size(&node), line)?;
                return self.close(node, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, is_mapping: bool) -> Result<(), YamlError> {
        if self.open.len() == DEEPEST {
            return Err(YamlError { line, reason: format!("lists and keys nest deeper than {DEEPEST}") });
        }
        self.open.push(Open { line, anchor, nodes: Vec::new(), is_mapping });
        Ok(())
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        self.count(1, node.line)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            return Err(YamlError {
                line,
                reason: "the file is too large, or its aliases make it so".to_owned(),
            });
        }
        Ok(())
    }
}

/// Keys and values that stand in turn.
fn pairs(nodes: Vec<Node>) -> Vec<(Node, Node)> {
    let mut nodes = nodes.into_iter();
    std::iter::from_fn(|| Some((nodes.next()?, nodes.next()?))).collect()
}

/// How many values a value holds, itself included.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(..) => 0,
        Value::Sequence(elements) => elements.iter().map(size).sum(),
        Value::Mapping(members) => members.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scalars_keep_their_text_and_line() {
        let documents = documents("- [012, 1e3, yes, ~, '~', =]\n---\na: &x b\nc: *x\n").unwrap();
        let texts: Vec<_> = documents[0].elements()[0].elements().iter().filter_map(Node::text).collect();
        assert_eq!(texts, ["012", "1e3", "yes", "~", "~", "="]);
        let nulls: Vec<_> = documents[0].elements()[0].elements().iter().map(Node::is_null).collect();
        assert_eq!(nulls, [false, false, false, true, false, false]);
        assert_eq!(documents[1].get("c").and_then(Node::text), Some("b"));
        assert_eq!((documents[1].line, documents[1].get("c").map(|node| node.line)), (3, Some(3)));
    }

    #[test]
    fn the_first_of_two_keys_counts() {
        assert_eq!(documents("a: 1\na: 2").unwrap()[0].get("a").and_then(Node::text), Some("1"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(documents("a: 1\nb: [").expect_err("it is cut").line, 2);
        let deep = documents(&"[".repeat(10_000)).expect_err("it is deep");
        assert!(!deep.reason.is_empty());
    }

    #[test]
    fn aliases_do_not_multiply_without_bound() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
        }
        assert!(documents(&text).expect_err("a bomb").reason.contains("too large"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a:\\[\\]{}&*!|>'\"#%@, \n~=?]{0,60}") {
            let _ = documents(&text);
        }
    }
}
