//! What the values of a kind mean: the part of `check` that looks into actions and probes.
//!
//! Only what is written out is judged; what a placeholder stands for shows when it is rendered.

use super::{
    check::Checker,
    kind::{Command, Flags, Kind, LogLines, Port, Vars, Wait},
    problem::DocPath,
    text::Text,
};

impl Checker<'_> {
    /// A kind whose values make sense.
    pub(super) fn kind(&mut self, kind: Option<Kind>, path: &DocPath) -> Kind {
        let Some(kind) = kind else {
            // A shape without a kind was reported and repaired; this stands for nothing.
            return Kind::Wait(Wait { r#for: Text::from("1s") });
        };
        let own = path.key(kind.name());
        match &kind {
            Kind::Command(command) => self.command(command, &own),
            Kind::Flags(flags) => self.flags(flags, &own),
            Kind::Http(http) => {
                self.url(&http.url, &own.key("url"));
                for (at, status) in http.status.iter().enumerate() {
                    if !(100..600).contains(status) {
                        self.report(&own.key("status").index(at), format!("{status} is no HTTP status"), None);
                    }
                }
            }
            Kind::Wait(wait) => self.literal_time(&wait.r#for, &own.key("for")),
            Kind::Port(port) => self.port(port, &own),
            Kind::LogLines(lines) => self.log_lines(lines, &own),
            Kind::Vars(Vars { url, has, any }) => {
                self.url(url, &own.key("url"));
                if has.is_empty() && any.is_empty() {
                    self.report(&own, "it names no value: neither `has` nor `any`", None);
                }
            }
            Kind::Master(master) => self.url(&master.url, &own.key("url")),
            Kind::Impact(impact) => {
                self.url(&impact.master, &own.key("master"));
                if let Some(staged) = &impact.staged {
                    self.url(staged, &own.key("staged"));
                }
            }
            Kind::Outcome(outcome) => self.url(&outcome.master, &own.key("master")),
            Kind::Sweep(sweep) => {
                self.url(&sweep.url, &own.key("url"));
                self.url(&sweep.master, &own.key("master"));
            }
            _ => {}
        }
        kind
    }

    fn command(&mut self, command: &Command, path: &DocPath) {
        match (&command.shell, command.argv.first()) {
            (None, None) => self.report(path, "it runs nothing: neither `argv` nor `shell`", None),
            (Some(_), Some(_)) => self.report(path, "`argv` and `shell` exclude each other; keep one", None),
            (Some(shell), None) => self.filled(shell.as_str(), &path.key("shell")),
            (None, Some(program)) => self.filled(program.as_str(), &path.key("argv").index(0)),
        }
        for name in command.env.keys() {
            let well_formed = !name.is_empty() && !name.contains(['=', '\0']);
            if !well_formed {
                self.report(&path.key("env").key(name), format!("`{name}` is no name of a variable"), None);
            }
        }
    }

    fn port(&mut self, port: &Port, path: &DocPath) {
        let (at, open) = match port {
            Port::Open(at) | Port::Closed(at) | Port::NoMasterAt(at) | Port::OpenFrom { at, from: _ } => (at, None),
            Port::ShutFrom { at, from: _, open } => (at, open.as_ref()),
        };
        for at in std::iter::once(at).chain(open) {
            if !at.as_str().contains(':') && !at.as_str().contains("{{") {
                self.report(path, format!("`{at}` is not `address:port`"), None);
            }
        }
    }

    fn flags(&mut self, flags: &Flags, path: &DocPath) {
        let (name, key_set, key_unset) = match flags {
            Flags::Edit { .. } => ("edit", "set", "unset"),
            Flags::Restore { .. } => ("restore", "set", "unset"),
            Flags::File { .. } => ("file", "has", "has_not"),
            Flags::Running { .. } => ("running", "has", "has_not"),
        };
        let wanted = flags.wanted();
        let path = path.key(name);
        if wanted.set.is_empty() && wanted.unset.is_empty() && wanted.where_known.is_empty() {
            self.report(&path, format!("it names no flag: neither `{key_set}` nor `{key_unset}`"), None);
        }
        if !wanted.where_known.is_empty() && wanted.version.is_none() {
            let message = "`where_known` needs `version`: which release is it that knows a flag?";
            self.report(&path.key("where_known"), message, None);
        }
        let set_paths = wanted.set.keys().map(|flag| (path.key(key_set).key(flag), flag));
        let known_paths = wanted.where_known.keys().map(|flag| (path.key("where_known").key(flag), flag));
        let unset_paths = wanted.unset.iter().enumerate().map(|(at, flag)| (path.key(key_unset).index(at), flag));
        for (path, flag) in set_paths.chain(known_paths).chain(unset_paths) {
            if flag.starts_with('-') || flag.is_empty() || flag.contains(['=', ' ']) {
                let suggestion = Some(format!("did you mean `{}`?", flag.trim_start_matches('-')));
                self.report(&path, format!("`{flag}` is not the bare name of a flag"), suggestion);
            }
        }
        let both = |flag: &String| wanted.set.contains_key(flag) || wanted.where_known.contains_key(flag);
        for (at, flag) in wanted.unset.iter().enumerate().filter(|(_, flag)| both(flag)) {
            let message = format!("`{flag}` cannot be in `{key_set}` and in `{key_unset}`");
            self.report(&path.key(key_unset).index(at), message, None);
        }
    }

    fn log_lines(&mut self, lines: &LogLines, path: &DocPath) {
        if let (Some(least), Some(most)) = (lines.at_least, lines.at_most)
            && least > most
        {
            self.report(path, format!("`at_least` {least} is more than `at_most` {most}"), None);
        }
        if let Some(since) = &lines.since
            && !since.as_str().contains("{{")
            && since.as_str().parse::<jiff::Timestamp>().is_err()
        {
            self.report(&path.key("since"), format!("`{since}` is not a time such as `2026-01-31T04:05:06Z`"), None);
        }
    }

    fn url(&mut self, url: &Text, path: &DocPath) {
        let literal = url.as_str().split("{{").next().unwrap_or_default();
        let fits =
            "http://".starts_with(literal) && literal.len() < url.as_str().len() || literal.starts_with("http://");
        if !fits {
            let suggestion = literal.starts_with("https://").then(|| "only plain http is spoken".to_owned());
            self.report(path, format!("`{url}` is not an address such as `http://host:port/path`"), suggestion);
        }
    }

    fn literal_time(&mut self, text: &Text, path: &DocPath) {
        if !text.as_str().contains("{{") {
            self.time(Some(text.as_str()), 0, true, path);
        }
    }
}
