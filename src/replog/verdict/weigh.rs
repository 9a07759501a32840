//! Weighing: from standings, comparison, answers and leadership to one decision with its reasons.

use super::model::{Answer, Answers, Beside, Decision, Evidence, Leadership, Mode, Pointer, Question, Reason, Verdict};
use super::standing::{Standing, one_line, standing};
use super::values::below_quorum;
use super::{Replica, Values};
use crate::replog::content::Replay;
use crate::replog::{Severity, Span, count, describe};

/// Findings that one reason points at; the first ones are the gravest.
const POINTERS: usize = 6;

const ALL_NO: Answers = Answers { failing_over: Answer::No, unusual_messages: Answer::No, log_corrupt: Answer::No };

/// Weighs the evidence.
pub fn judge(evidence: &Evidence) -> Verdict {
    let standings = evidence.replicas.iter().map(|replica| (replica, standing(replica))).collect();
    let mut weighing =
        Weighing { evidence, standings, because: Vec::new(), missing: Vec::new(), copy_first: Vec::new() };
    weighing.gaps();
    weighing.agree();
    let decision = weighing.decide();
    let answers = weighing.beside();
    weighing.answered(&answers);
    weighing.describe();
    let Weighing { because: reasons, missing, copy_first, .. } = weighing;
    Verdict { decision, reasons, missing, answers, copy_first }
}

struct Weighing<'e> {
    evidence: &'e Evidence,
    standings: Vec<(&'e Replica, Standing)>,
    because: Vec<Reason>,
    missing: Vec<String>,
    copy_first: Vec<String>,
}

impl<'e> Weighing<'e> {
    fn count(&self, standing: Standing) -> usize {
        self.standings.iter().filter(|(_, s)| *s == standing).count()
    }

    fn those(&self, of: &[Standing]) -> Vec<&'e Replica> {
        self.standings.iter().filter(|(_, s)| of.contains(s)).map(|(replica, _)| *replica).collect()
    }

    fn quorum(&self) -> usize {
        (self.evidence.quorum as usize).max(1)
    }

    fn say(&mut self, text: impl Into<String>, evidence: Vec<Pointer>) {
        self.because.push(Reason { text: text.into(), evidence });
    }

    fn copy(&mut self, host: &str) {
        if !self.copy_first.iter().any(|known| known == host) {
            self.copy_first.push(host.to_owned());
        }
    }

    /// What could not be learned, and what does not fit together before anything is weighed.
    fn gaps(&mut self) {
        for replica in self.those(&[Standing::Unknown]) {
            self.missing.push(format!("{}: read its log directory, as a user who may", replica.host));
        }
        let (total, quorum) = (self.standings.len(), self.evidence.quorum as usize);
        if quorum == 0 {
            self.missing.push("the quorum size (-native_log_quorum_size)".to_owned());
        } else if total > 0 && total != 2 * quorum - 1 {
            self.missing.push(format!(
                "{total} replicas with quorum {quorum} instead of {}: name every replica, or the right quorum size",
                2 * quorum - 1
            ));
        }
        if self.evidence.leadership == Leadership::Unknown {
            self.missing.push("changes of leadership over a window, from ZooKeeper and the scheduler logs".to_owned());
        }
    }

    /// One reason per replica, with the findings that it rests on.
    fn describe(&mut self) {
        for (replica, _) in self.standings.clone() {
            let host = replica.host.as_str();
            let Some(summary) = &replica.summary else {
                self.say(format!("{host}: could not be looked at"), vec![Pointer::on(host, "not-looked-at", &[])]);
                continue;
            };
            let grave = summary.findings.iter().filter(|finding| finding.severity != Severity::Info);
            let mut evidence: Vec<Pointer> =
                grave.take(POINTERS).map(|finding| Pointer::finding(host, finding)).collect();
            if evidence.is_empty() {
                evidence.push(Pointer::on(host, "mesos-view", &[]));
            }
            self.say(format!("{host}: {}", one_line(summary)), evidence);
        }
    }

    /// Of the replicas that are good by themselves, those whose values are not those of most others go astray.
    fn agree(&mut self) {
        let good: Vec<&Replica> = self.those(&[Standing::Good]);
        let differing = |one: &Replica, other: &Replica| match (&one.values, &other.values) {
            (Some(one), Some(other)) => one.differing(other),
            _ => Vec::new(),
        };
        let with = |one: &Replica| good.iter().filter(|other| differing(one, other).is_empty()).count();
        // With equal numbers the one that goes on further counts as the group: it is only a question of words then.
        let end = |replica: &Replica| replica.summary.as_ref().and_then(|summary| summary.mesos_view.end);
        let Some(centre) = good.iter().copied().max_by_key(|one| (with(one), end(one))) else { return };
        for (replica, standing) in &mut self.standings {
            let spans = if *standing == Standing::Good { differing(centre, replica) } else { Vec::new() };
            if spans.is_empty() {
                continue;
            }
            *standing = Standing::Astray;
            let text = format!(
                "{} and {} learned different values at {} positions ({}): the log split, or a value was damaged and given a new checksum",
                centre.host,
                replica.host,
                count(&spans),
                describe(&spans)
            );
            let evidence = [centre, *replica].map(|one| Pointer::on(&one.host, "values-differ", &spans));
            self.because.push(Reason { text, evidence: evidence.to_vec() });
        }
    }

    fn decide(&mut self) -> Decision {
        if self.standings.is_empty() {
            self.missing.push("at least one replica".to_owned());
            return Decision::CannotTell;
        }
        let unknown = self.count(Standing::Unknown);
        let good = self.count(Standing::Good);
        if unknown == self.standings.len() {
            return self.blind();
        }
        if let Some(decision) = self.split(good) {
            return decision;
        }
        // An only good copy among replicas that hold nothing, whatever the answers say.
        if let Some(decision) = self.survivor(good, unknown) {
            return decision;
        }
        if good >= self.quorum() {
            return self.quorate(unknown);
        }
        if unknown > 0 {
            self.say(
                format!(
                    "{good} replicas are good and {unknown} are unknown: one of the unknown may hold the only good copy"
                ),
                Vec::new(),
            );
            self.say(
                "being unsure, the procedure initializes anew; not before the unknown replicas were looked at or moved aside whole",
                Vec::new(),
            );
            return Decision::CannotTell;
        }
        self.lost()
    }

    /// Nothing could be read: only the engineer's answers are left.
    fn blind(&mut self) -> Decision {
        if self.evidence.answers == ALL_NO {
            self.say("no replica could be read, and all three questions were answered with no", Vec::new());
        }
        self.missing
            .push("at least one replica's directory: initializing unseen may destroy the only good copy".to_owned());
        Decision::CannotTell
    }

    /// Replicas that are good by themselves do not agree.
    fn split(&mut self, good: usize) -> Option<Decision> {
        let astray = self.those(&[Standing::Astray]);
        if astray.is_empty() {
            return None;
        }
        let snapshot = |replica: &Replica| {
            replica.summary.as_ref().is_some_and(|summary| summary.content.replay == Replay::FromSnapshot)
        };
        let agreeing = self.those(&[Standing::Good]);
        let alone = astray.iter().copied().find(|replica| snapshot(replica));
        if let Some(replica) = alone.filter(|_| !agreeing.iter().any(|replica| snapshot(replica))) {
            let text = format!(
                "only {} holds a snapshot; the others were started anew beside it and what they write goes over what it knows",
                replica.host
            );
            return Some(self.keep(replica, text, "snapshot-only-here", &[]));
        }
        if good >= self.quorum() {
            // The others outvote them: quorate() names the first as the one to be wiped.
            return None;
        }
        for replica in agreeing.iter().chain(&astray) {
            self.copy(&replica.host);
        }
        self.say(
            "no quorum agrees on what was learned: which side is right only the backups can tell; copy every directory aside first",
            Vec::new(),
        );
        Some(Decision::Reinitialize)
    }

    /// The decision for a copy that nothing else can give back.
    fn keep(&mut self, replica: &Replica, text: String, code: &str, spans: &[Span]) -> Decision {
        let reason = Reason { text, evidence: vec![Pointer::on(&replica.host, code, spans)] };
        self.because.insert(0, reason);
        self.copy(&replica.host);
        if self.evidence.mode == Mode::Rollback {
            self.say(
                "the state is to be rolled back to a backup: once the copy is aside, the log may be initialized",
                Vec::new(),
            );
            return Decision::Reinitialize;
        }
        Decision::DoNotTouchSurvivor { host: replica.host.clone() }
    }

    fn survivor(&mut self, good: usize, unknown: usize) -> Option<Decision> {
        let total = self.standings.len();
        if good == 0 || total == 1 || good >= self.quorum() || unknown > 0 && good + unknown >= self.quorum() {
            return None;
        }
        let end = |replica: &&Replica| replica.summary.as_ref().and_then(|summary| summary.mesos_view.end);
        let best = self.those(&[Standing::Good]).into_iter().max_by_key(end)?;
        let text = format!(
            "{good} of {total} replicas holds the state and the others form no quorum with it: initializing would destroy it. Copy the directory on {} aside first",
            best.host
        );
        for other in self.those(&[Standing::Good]) {
            self.copy(&other.host);
        }
        Some(self.keep(best, text, "only-good-copy", &[]))
    }

    /// A quorum is good.
    fn quorate(&mut self, unknown: usize) -> Decision {
        if let Some((replica, spans)) = self.only_here(unknown) {
            let text = format!(
                "{} learned positions ({}) are on {} and on fewer than {} replicas, although a quorum accepted each: the others lost them, and a leader that they elect writes over them. Copy the directory on {} aside first",
                count(&spans),
                describe(&spans),
                replica.host,
                self.quorum(),
                replica.host
            );
            return self.keep(replica, text, "below-quorum", &spans);
        }
        let bad = [Standing::Damaged, Standing::Poisoned, Standing::Blank, Standing::Idle, Standing::Astray];
        let bad: Vec<String> = self.those(&bad).into_iter().map(|replica| replica.host.clone()).collect();
        let text = match bad.as_slice() {
            [] => return self.all_good(),
            [host] => format!(
                "a quorum is good without {host}: move its directory aside, do not initialize it, start it, and it catches up"
            ),
            [first, ..] => format!(
                "a quorum is good; {} are not: treat them one after another, {first} first, and wait for each to join",
                bad.join(", ")
            ),
        };
        let host = bad.first().cloned().unwrap_or_default();
        let reason = Reason { text, evidence: vec![Pointer::on(&host, "not-good", &[])] };
        self.because.insert(0, reason);
        Decision::OneReplicaOnly { host }
    }

    /// The replica with learned positions that are not where a quorum must hold them, if none moved while it was read.
    fn only_here(&self, unknown: usize) -> Option<(&'e Replica, Vec<Span>)> {
        if self.standings.iter().any(|(replica, _)| replica.live) {
            return None;
        }
        let all: Vec<&Values> = self.standings.iter().filter_map(|(replica, _)| replica.values.as_ref()).collect();
        if all.len() + unknown < self.standings.len() {
            return None;
        }
        let begin = |replica: &&Replica| replica.summary.as_ref().and_then(|summary| summary.mesos_view.begin);
        let begin = self.evidence.replicas.iter().filter_map(|replica| begin(&replica)).max().unwrap_or(0);
        let thin = |replica: &'e Replica| {
            let spans = below_quorum(replica.values.as_ref()?, &all, unknown, self.quorum(), begin);
            (!spans.is_empty()).then_some((replica, spans))
        };
        let found = self.those(&[Standing::Good]).into_iter().filter_map(thin);
        found.max_by_key(|(_, spans)| count(spans))
    }

    fn all_good(&mut self) -> Decision {
        let leads = vec![Pointer::of("leadership")];
        match self.evidence.leadership {
            Leadership::NotRegistering => {
                let text = format!(
                    "the log is well on every replica that was read, and {}: look at the Mesos master, its address and the registration",
                    self.leading()
                );
                self.say(text, leads);
                Decision::NotTheLog
            }
            Leadership::Flapping => {
                let text = format!(
                    "the log is well on every replica that was read, although {}: look at ZooKeeper, Mesos and the hosts",
                    self.leading()
                );
                self.say(text, leads);
                Decision::NotTheLog
            }
            Leadership::Stable | Leadership::Unknown => {
                self.say("every replica that was read votes, opens without loss and can be replayed", Vec::new());
                Decision::Healthy
            }
        }
    }

    /// What is said of leadership.
    fn leading(&self) -> &'e str {
        match self.evidence.leadership {
            _ if !self.evidence.leading.is_empty() => &self.evidence.leading,
            Leadership::Stable => "logs and ZooKeeper show one leader that stays",
            Leadership::Flapping => "the leadership changes again and again",
            Leadership::NotRegistering => "leaders end because they do not register with Mesos",
            Leadership::Unknown => "not known",
        }
    }

    /// No quorum of good copies, and none that could still be.
    fn lost(&mut self) -> Decision {
        let total = self.standings.len();
        let poisoned = self.count(Standing::Poisoned);
        let nothing = self.count(Standing::Blank) + self.count(Standing::Idle);
        let text = if poisoned >= self.quorum() {
            format!(
                "{poisoned} of {total} replicas agree on content that no scheduler can replay: the log is bad although Mesos is content with it"
            )
        } else if nothing == total {
            "no replica holds any state: there is nothing to lose, and a backup must bring the state back".to_owned()
        } else {
            let good = self.count(Standing::Good);
            format!("only {good} of {total} replicas are good, fewer than the quorum of {}", self.quorum())
        };
        let damage = |replica: &&'e Replica| -> Vec<Pointer> {
            let findings = replica.summary.iter().flat_map(|summary| &summary.findings);
            let damage = findings.filter(|finding| finding.severity == Severity::Damage);
            damage.take(2).map(|finding| Pointer::finding(&replica.host, finding)).collect()
        };
        let evidence = self.evidence.replicas.iter().flat_map(|replica| damage(&replica)).collect();
        self.say(text, evidence);
        let salvaged = |replica: &&Replica| {
            replica
                .summary
                .as_ref()
                .is_some_and(|summary| summary.salvage.learned > 0 || summary.mesos_view.actions > 0)
        };
        let hosts: Vec<String> =
            self.evidence.replicas.iter().filter(salvaged).map(|replica| replica.host.clone()).collect();
        if !hosts.is_empty() {
            let evidence = hosts.iter().map(|host| Pointer::on(host, "salvage", &[])).collect();
            let text = format!(
                "copy the directories on {} aside before: what is in them may be newer than the backup",
                hosts.join(", ")
            );
            self.say(text, evidence);
            hosts.iter().for_each(|host| self.copy(host));
        }
        Decision::Reinitialize
    }

    /// The three questions, with what the evidence says to each.
    fn beside(&self) -> Vec<Beside> {
        let answers = self.evidence.answers;
        let leads = match self.evidence.leadership {
            Leadership::Stable => Answer::No,
            Leadership::Flapping | Leadership::NotRegistering => Answer::Yes,
            Leadership::Unknown => Answer::Unsure,
        };
        let messages = &self.evidence.messages;
        let says = if messages.says.is_empty() { "not known".to_owned() } else { messages.says.clone() };
        let (corrupt, damage) = self.corrupt();
        let beside = |question: Question, answered: Answer, evidence: Answer, says: String| Beside {
            question,
            asked: question.text().to_owned(),
            answered,
            evidence,
            says,
            contradicts: matches!((answered, evidence), (Answer::Yes, Answer::No) | (Answer::No, Answer::Yes)),
        };
        vec![
            beside(Question::A1, answers.failing_over, leads, self.leading().to_owned()),
            beside(Question::A2, answers.unusual_messages, messages.unusual, says),
            beside(Question::A3, answers.log_corrupt, corrupt, damage),
        ]
    }

    /// Whether the log is missing or corrupt on any replica.
    fn corrupt(&self) -> (Answer, String) {
        let bad = [Standing::Damaged, Standing::Poisoned, Standing::Idle, Standing::Blank, Standing::Astray];
        let bad: Vec<&str> = self.those(&bad).into_iter().map(|replica| replica.host.as_str()).collect();
        let unknown = self.count(Standing::Unknown);
        if !bad.is_empty() {
            return (Answer::Yes, format!("missing, damaged or without state on {}", bad.join(", ")));
        }
        if unknown > 0 || self.standings.is_empty() {
            return (Answer::Unsure, format!("{unknown} of {} directories could not be read", self.standings.len()));
        }
        (Answer::No, "no directory that was read shows damage".to_owned())
    }

    /// Says where the engineer's answers differ from the evidence.
    fn answered(&mut self, answers: &[Beside]) {
        for beside in answers.iter().filter(|beside| beside.contradicts) {
            let text = format!(
                "answered: {} to \u{201c}{}?\u{201d}; the evidence says {}: {}",
                beside.answered.word(),
                beside.asked,
                beside.evidence.word(),
                beside.says
            );
            let code = match beside.question {
                Question::A1 => "leadership",
                Question::A2 => "messages",
                Question::A3 => "replicas",
            };
            self.say(text, vec![Pointer::of(code)]);
        }
    }
}
