//! What ssh and sudo said, told apart. Their words are the only sign: ssh ends with 255 for everything. Pure.

use crate::hosts::clean;

/// Printed by what stands in the place of a connection where only the master may be used.
pub const NO_MASTER: &str = "firstlight: no master";
/// Characters of ssh's own words that are repeated.
const WORDS_MAX: usize = 300;

/// Why a master did not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The host shows a key that is not known. A person can look at it and decide.
    UnknownKey,
    /// The host shows another key than the one that is known. Nobody is asked.
    ChangedKey,
    /// None of the keys at hand was enough. A person can type a password.
    Login,
    /// Anything else: no such name, no way, nobody listens.
    Other,
}

/// Tells the trouble from what ssh printed.
pub fn trouble(stderr: &[u8]) -> Trouble {
    let said = String::from_utf8_lossy(stderr);
    if said.contains("IDENTIFICATION HAS CHANGED") || said.contains("has changed and you have requested strict") {
        Trouble::ChangedKey
    } else if said.contains("Host key verification failed") {
        Trouble::UnknownKey
    } else if said.contains("Permission denied (") || said.contains("Too many authentication failures") {
        Trouble::Login
    } else {
        Trouble::Other
    }
}

/// Ssh's own words in one line: the last ones that say something.
pub fn words(stderr: &[u8]) -> String {
    let lines = clean::lines(stderr, usize::MAX);
    let wordy = |line: &&String| line.chars().any(char::is_alphanumeric) && !line.contains(NO_MASTER);
    let mut told: Vec<&str> = lines.iter().rev().filter(wordy).take(2).map(|line| line.trim()).collect();
    told.reverse();
    let text = told.join("; ");
    match text.char_indices().nth(WORDS_MAX) {
        Some((at, _)) => format!("{}\u{2026}", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// True if ssh's words prove that a script never reached the host.
pub fn never_sent(stderr: &[u8]) -> bool {
    let said = String::from_utf8_lossy(stderr);
    if said.contains("Session open refused by peer") {
        return true;
    }
    // The master was not there. Words about a session that broke come before these where there was one.
    let absent = [NO_MASTER, "Control socket connect(", "kex_exchange_identification", "UNKNOWN port 65535"];
    !said.contains("mux_client_request_session") && absent.iter().any(|words| said.contains(words))
}

/// What sudo wants, if it refused: the sentence for the engineer.
pub fn sudo_refusal(said: &[u8], user: &str, login: &str) -> Option<String> {
    let said = clean::lines(said, usize::MAX);
    let line = said.iter().rev().find(|line| line.starts_with("sudo:") || line.contains("not allowed to execute"))?;
    let rule = format!("{login} ALL=({user}) NOPASSWD: ALL");
    if line.contains("a password is required") || line.contains("terminal is required") {
        return Some(format!(
            "sudo wants a password to become {user}, and none can be typed here. A line in /etc/sudoers.d lets it pass: {rule}"
        ));
    }
    Some(format!("sudo refused to become {user}: {}. A line in /etc/sudoers.d may be missing: {rule}", line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_told_apart() {
        for (said, expected) in [
            (
                "No ED25519 host key is known for a and you have requested strict checking.\r\nHost key verification failed.\r\n",
                Trouble::UnknownKey,
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
                Trouble::ChangedKey,
            ),
            ("me@a: Permission denied (publickey,password).\n", Trouble::Login),
            ("ssh: connect to host a port 22: Connection refused\n", Trouble::Other),
            ("bash: /x: Permission denied\n", Trouble::Other),
            ("", Trouble::Other),
        ] {
            assert_eq!(trouble(said.as_bytes()), expected, "{said}");
        }
    }

    #[test]
    fn only_words_that_prove_it_say_that_nothing_was_sent() {
        for (said, expected) in [
            (
                "Control socket connect(/x/a): Connection refused\nkex_exchange_identification: Connection closed by remote host\n",
                true,
            ),
            ("firstlight: no master\n", true),
            ("mux_client_request_session: session request failed: Session open refused by peer\n", true),
            ("mux_client_request_session: read from master failed: Broken pipe\nfirstlight: no master\n", false),
            ("Shared connection to a closed.\n", false),
            ("", false),
        ] {
            assert_eq!(never_sent(said.as_bytes()), expected, "{said}");
        }
    }

    #[test]
    fn sudo_is_answered_with_the_line_that_is_missing() {
        let said = sudo_refusal(b"sudo: a password is required\n", "aurora", "me").unwrap();
        assert!(said.contains("me ALL=(aurora) NOPASSWD: ALL"), "{said}");
        assert!(sudo_refusal(b"sudo: unknown user: nobody2\n", "nobody2", "me").unwrap().contains("unknown user"));
        assert_eq!(sudo_refusal(b"cat: x: No such file\n", "aurora", "me"), None);
    }

    #[test]
    fn words_are_short_and_clean() {
        assert_eq!(words(b"@@@@\nssh: no way\x1b[31m\r\n\n"), "ssh: no way");
        assert!(words(&[b'x'; 10_000]).chars().count() < 400);
    }
}
