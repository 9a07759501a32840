//! The texts of scripts: quoting, and the parts that several share. Pure.

use crate::hosts::{HostError, Identity};

/// Exit codes by which scripts say what no program's words say.
pub(super) const NO_TOOL: i32 = 90;
/// The working directory cannot be entered.
pub(super) const NO_CWD: i32 = 91;
/// Processes of others are hidden.
pub(super) const HIDDEN: i32 = 92;
/// The places are on different file systems.
pub(super) const OTHER_FILE_SYSTEM: i32 = 93;
/// Something is in the way.
pub(super) const ALREADY_THERE: i32 = 94;
/// The digest is another; it is on standard output.
pub(super) const OTHER_DIGEST: i32 = 95;
/// It is not a file that can be read.
pub(super) const NOT_A_FILE: i32 = 96;
/// It is another machine.
pub(super) const OTHER_MACHINE: i32 = 97;

/// Stands in every script, so that it is not taken for what it looks for.
pub(super) const MARK: &str = "firstlight-script";
/// Begins every script. Programs of administrators are not on everybody's path.
const BEGIN: &str =
    ": firstlight-script; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin; export PATH\n";

/// Functions that scripts use: `regular PATH` ends the script unless it is a regular file, links followed; `size PATH`
/// prints its length; `tool NAME` ends the script unless there is such a program.
const PARTS: &str = "\
regular() { [ -f \"$1\" ] && return; if [ -e \"$1\" ]; then exit 96; fi; cat -- \"$1\" > /dev/null; exit 1; }
size() { stat -L -c %s -- \"$1\" 2> /dev/null || wc -c < \"$1\"; }
tool() { command -v \"$1\" > /dev/null 2>&1 || { echo \"there is no program $1\" >&2; exit 90; }; }
";

/// A word of a script. A path that begins with a dash would be an option.
pub(super) fn word(text: &str) -> Result<String, HostError> {
    let refused = |why| Err(HostError::Refused { path: text.to_owned(), why });
    if text.is_empty() {
        return refused("the path is empty");
    }
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    match shlex::try_quote(&text) {
        Ok(quoted) => Ok(quoted.into_owned()),
        Err(_) => refused("it has a NUL byte in it"),
    }
}

/// A script that looks.
pub(super) fn looking(body: &str) -> String {
    format!("{BEGIN}{PARTS}{body}")
}

/// A script that changes something: first it makes sure that this is the machine that was reached at first.
pub(super) fn changing(own: &Identity, body: &str) -> String {
    let quoted = |text: &str| shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned);
    let (name, id) = (quoted(&own.host_name), quoted(&own.machine_id));
    format!(
        "{BEGIN}m=; n=; [ -r /etc/machine-id ] && IFS= read -r m < /etc/machine-id; IFS= read -r n < /proc/sys/kernel/hostname\n\
         [ \"$m\" = {id} ] && [ \"$n\" = {name} ] || exit 97\n{PARTS}{body}"
    )
}

/// Words that a shell reads back with `printf %b`, on one line whatever is in them.
pub(super) fn one_line(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\0{byte:03o}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_word_each_and_never_an_option() {
        for (text, expected) in
            [("/a/b", "/a/b"), ("/a b", "'/a b'"), ("-rf", "./-rf"), ("/it's", "\"/it's\""), ("/$(x)`y`", "'/$(x)`y`'")]
        {
            assert_eq!(word(text).unwrap(), expected);
        }
        assert!(word("").is_err() && word("/a\0b").is_err());
    }
}
