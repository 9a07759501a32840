//! What the values of an input mean: the part of `check` that looks into questions.

use super::{
    check::{Checker, duration_ms},
    model::{GroupName, Input, InputId, InputKind, Register},
    problem::{DocPath, did_you_mean, one_of},
    raw::{RawInput, RawInputType},
    text::Text,
};

impl Checker<'_> {
    /// Questions in order.
    pub(super) fn inputs(&mut self, raw: Vec<RawInput>, path: &DocPath) -> Vec<Input> {
        raw.into_iter().enumerate().map(|(at, input)| self.input(input, &path.index(at))).collect()
    }

    fn input(&mut self, mut raw: RawInput, path: &DocPath) -> Input {
        self.id(&raw.id, &path.key("id"));
        self.plain(&raw.title, &path.key("title"));
        let kind = self.input_kind(&mut raw, path);
        self.default(raw.default.as_ref(), &kind, &path.key("default"));
        let when = raw.when.map(|when| self.condition(when, &path.key("when")));
        let (help, default, optional) = (raw.help, raw.default, raw.optional);
        Input { id: InputId(raw.id), title: raw.title, help, kind, default, optional, when }
    }

    /// Takes what belongs to the type of an input, and reports what is missing and what does not belong.
    fn input_kind(&mut self, raw: &mut RawInput, path: &DocPath) -> InputKind {
        use RawInputType as Type;
        let keys: [(&str, &[Type], bool, bool); 7] = [
            ("choices", &[Type::Choice], true, raw.choices.is_some()),
            ("from", &[Type::Pick, Type::Rows], true, raw.from.is_some()),
            ("list", &[Type::Pick], true, raw.list.is_some()),
            ("value", &[Type::Pick], true, raw.value.is_some()),
            ("show", &[Type::Pick], false, raw.show.is_some()),
            ("table", &[Type::Rows], true, raw.table.is_some()),
            ("group", &[Type::Host], true, raw.group.is_some()),
        ];
        for (key, types, required, there) in keys {
            if there && !types.contains(&raw.r#type) {
                self.report(&path.key(key), format!("`{key}` does not belong to an input of this type"), None);
            } else if required && !there && types.contains(&raw.r#type) {
                self.report(path, format!("`{key}` is missing for an input of this type"), None);
            }
        }
        match raw.r#type {
            Type::Text => InputKind::Text,
            Type::Choice => {
                let choices = raw.choices.take().unwrap_or_default();
                if choices.is_empty() {
                    self.report(&path.key("choices"), "there is nothing to choose from", None);
                }
                let paths = choices.iter().enumerate().map(|(at, word)| (path.key("choices").index(at), word.as_str()));
                self.unique("choice", paths.collect::<Vec<_>>().into_iter());
                InputKind::Choice(choices)
            }
            Type::Pick => {
                let value = raw.value.take().unwrap_or_default();
                let show = raw.show.take().unwrap_or_else(|| vec![value.clone()]);
                let from = Register(raw.from.take().unwrap_or_default());
                InputKind::Pick { from, list: raw.list.take().unwrap_or_default(), value, show }
            }
            Type::Rows => InputKind::Rows {
                from: Register(raw.from.take().unwrap_or_default()),
                table: raw.table.take().unwrap_or_default(),
            },
            Type::Duration => InputKind::Duration,
            Type::Path => InputKind::Path,
            Type::Host => InputKind::Host(GroupName(raw.group.take().unwrap_or_default())),
            Type::Secret => InputKind::Secret,
            Type::YesNoUnsure => InputKind::YesNoUnsure,
        }
    }

    fn default(&mut self, default: Option<&Text>, kind: &InputKind, path: &DocPath) {
        let Some(text) = default.map(Text::as_str) else { return };
        if text.contains("{{") {
            return;
        }
        let words: Vec<&str> = match kind {
            InputKind::Choice(choices) => choices.iter().map(String::as_str).collect(),
            InputKind::YesNoUnsure => vec!["yes", "no", "unsure"],
            InputKind::Duration => {
                if let Err(message) = duration_ms(text) {
                    self.report(path, message, None);
                }
                return;
            }
            InputKind::Secret => {
                return self.report(path, "a secret has no default: it would stand in this file", None);
            }
            InputKind::Text
            | InputKind::Pick { .. }
            | InputKind::Rows { .. }
            | InputKind::Path
            | InputKind::Host(_) => return,
        };
        if !words.contains(&text) {
            let suggestion = did_you_mean(text, words.iter().copied());
            self.report(path, format!("`{text}` is not {}", one_of(words)), suggestion);
        }
    }
}
