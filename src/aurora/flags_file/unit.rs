//! systemd's unit files and drop-ins: where the command and the variables of the service stand.
//!
//! By systemd.service(5) and systemd.syntax(7): sections, lines that go on after a backslash, comments between them,
//! an empty `ExecStart=` that takes back what stands before it.

use super::{
    FlagsFileError,
    words::{Quote, Region, is_name, unit_word_end},
};

/// One setting: its name, and where its value stands.
struct Setting {
    name: String,
    value: std::ops::Range<usize>,
}

/// True if a text has the sections of a unit file.
pub(super) fn looks_like(text: &str) -> bool {
    text.lines().any(|line| matches!(line.trim(), "[Service]" | "[Unit]" | "[Install]"))
}

/// What may hold flags: the command that starts the service, and its variables.
pub(super) fn regions(text: &str) -> Result<Vec<Region>, FlagsFileError> {
    let mut commands: Vec<Region> = Vec::new();
    let mut variables: Vec<Region> = Vec::new();
    for setting in settings(text) {
        let empty = text.get(setting.value.clone()).unwrap_or_default().trim().is_empty();
        match setting.name.as_str() {
            "ExecStart" if empty => commands.clear(),
            "ExecStart" => commands.push(Region::of(setting.value, Quote::Unit)),
            "Environment" if empty => variables.clear(),
            "Environment" => variables.extend(variables_in(text, &setting.value)),
            _ => {}
        }
    }
    let several = commands.len() > 1
        || commands.iter().any(|region| super::words::words(text, region).iter().any(|word| word.text == ";"));
    if several {
        return Err(FlagsFileError::Unsafe("it starts several commands".to_owned()));
    }
    variables.append(&mut commands);
    Ok(variables)
}

/// The files from which the service takes variables.
pub(super) fn environment_files(text: &str) -> Vec<String> {
    let named = settings(text).into_iter().filter(|setting| setting.name == "EnvironmentFile");
    let value =
        |setting: Setting| text.get(setting.value).unwrap_or_default().trim().trim_start_matches('-').to_owned();
    named.map(value).filter(|file| !file.is_empty()).collect()
}

/// The settings of `[Service]`, in order.
fn settings(text: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut service = false;
    let mut at = 0;
    while at < text.len() {
        let end = setting_end(text, at);
        let whole = text.get(at..end).unwrap_or_default();
        let trimmed = whole.trim();
        if trimmed.starts_with(['#', ';']) {
            // A comment ends with its line, whatever stands at the end of it.
            at += whole.find('\n').map_or(whole.len(), |end| end + 1);
            continue;
        }
        if trimmed.starts_with('[') {
            service = trimmed == "[Service]";
        } else if let Some((name, value)) = whole.split_once('=')
            && service
        {
            let from = at + name.len() + 1;
            let to = from + value.trim_end_matches(['\n', '\r']).len();
            found.push(Setting { name: name.trim().to_owned(), value: from..to });
        }
        at = end;
    }
    found
}

/// Where the setting that begins here ends: after the first line that does not go on.
fn setting_end(text: &str, from: usize) -> usize {
    let mut at = from;
    let mut goes_on = false;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let comment = goes_on && bare.trim_start().starts_with(['#', ';']);
        at += line.len();
        if !comment {
            goes_on = bare.ends_with('\\');
        }
        if !goes_on {
            return at;
        }
    }
    at
}

/// The variables that one `Environment=` sets.
fn variables_in(text: &str, value: &std::ops::Range<usize>) -> Vec<Region> {
    let list = Region::of(value.clone(), Quote::Unit);
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for word in super::words::words(text, &list) {
        let raw = text.get(word.span.clone()).unwrap_or_default();
        let quoted = raw.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
        let (bare, offset) = quoted.map_or((raw, 0), |bare| (bare, 1));
        let Some((name, inner)) = bare.split_once('=').filter(|(name, _)| is_name(name)) else { continue };
        let from = word.span.start + offset + name.len() + 1;
        let (inner, quote) = match (quoted, inner) {
            (Some(_), inner) if inner.contains(['"', '\'', '\\']) => (from..from + inner.len(), Quote::Pieces),
            (Some(_), inner) => (from..from + inner.len(), Quote::Whole),
            (None, _) => super::words::quoting(bytes, from, unit_word_end(bytes, from, word.span.end)),
        };
        // Without quotes a value is one word, and there is no place for another.
        let quote = if quote == Quote::None { Quote::Pieces } else { quote };
        found.push(Region { name: name.to_owned(), statement: word.span.clone(), value: word.span, inner, quote });
    }
    found
}
