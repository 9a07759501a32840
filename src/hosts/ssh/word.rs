//! A script as one command that every login shell reads alike.
//!
//! ssh hands one text to the login shell of the account, which may be sh, csh or fish. Inside single quotes they agree
//! on letters, digits and some signs; newlines, quotes, `!` and most backslashes they do not agree on. So a script is
//! written with octal numbers for everything that is not plain, and a POSIX shell reads it back. Pure.

use std::fmt::Write as _;

/// What reads the script back. Every character of it is plain to sh, csh and fish inside single quotes.
const READ_BACK: &str = r#"eval "$(printf %b "$0")""#;
/// Bytes of a command: systems take one argument of 128 KiB, and some of it is ours.
pub const COMMAND_BYTES_MAX: usize = 120 * 1024;

/// The command that runs a script, as another user if one is named. `None` if it is too long.
pub fn command(script: &str, sudo: Option<&str>) -> Option<String> {
    let mut word = String::with_capacity(script.len() * 2);
    for byte in script.bytes() {
        if byte.is_ascii_alphanumeric() || b" ,./:=_-+@%".contains(&byte) {
            word.push(char::from(byte));
        } else {
            let _ = write!(word, "\\0{byte:03o}");
        }
    }
    // Words of sudo in one language, so that they can be told apart.
    let by = sudo.map_or_else(String::new, |user| format!("env LC_ALL=C sudo -n -u {user} -- "));
    let command = format!("exec {by}sh -c '{READ_BACK}' '{word}'");
    (command.len() <= COMMAND_BYTES_MAX).then_some(command)
}

/// True for an argument by which a script of ours is known in a list of processes.
pub fn is_ours(argument: &str) -> bool {
    argument == READ_BACK || argument.contains(READ_BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_survive_the_way() {
        let hostile = "printf '%s' \"it's !$HOME `x` \\\\ \\n \u{e9}\"; echo \"a\n\tb\" # c\nexit 3";
        let command = command(hostile, None).unwrap();
        // Nothing in it that shells read differently.
        assert!(!command.contains(['\n', '!', '\t']) && command.is_ascii());
        assert!(!command.contains("\\'") && !command.contains("\\\\"));
        for shell in ["sh", "bash", "csh", "tcsh", "fish", "zsh"] {
            let expected = std::process::Command::new("sh").args(["-c", hostile]).output().unwrap();
            match std::process::Command::new(shell).args(["-c", &command]).output() {
                Ok(found) => assert_eq!((found.stdout, found.status), (expected.stdout, expected.status), "{shell}"),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{shell}"),
            }
        }
    }

    #[test]
    fn another_user_is_asked_of_sudo_without_a_password() {
        let command = command("true", Some("aurora")).unwrap();
        assert!(command.starts_with("exec env LC_ALL=C sudo -n -u aurora -- sh -c '"), "{command}");
        assert!(command.split('\'').any(is_ours));
        assert_eq!(super::command(&"x".repeat(COMMAND_BYTES_MAX), None), None);
    }
}
