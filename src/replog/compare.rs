//! Several replicas of one log beside each other: values, ends, and what a restart of the group would do.
//!
//! A learned value is the same on every replica for ever; where two differ, the log has split. A learned position was
//! accepted by a quorum; where fewer than a quorum hold it, disks were lost or replaced. What a restart does follows the
//! recovery protocol of Mesos (`recover.cpp`), which assumes a group of 2q-1. A replica that nobody could look at is
//! unknown and is counted as that. Values are compared by length and digest, so nothing but the actions is held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, MAX_SPANS, Severity};
use super::inspect::Inspection;
use super::positions::{Span, count, describe, spans_of, subtract, union};
use super::record::{ActionKind, Status};
use super::restore::ActionAt;

/// Differences that are listed one by one.
const DIFFERENCES_MAX: usize = 64;

/// One replica that takes part in a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// Its host, or its directory.
    pub name: &'a str,
    /// What was read; `None` where nobody could look.
    pub inspection: Option<&'a Inspection>,
}

/// What is known of the group beside its directories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// `-native_log_quorum_size`; `None` takes a majority of the replicas that are compared.
    pub quorum: Option<u32>,
    /// Whether replicas initialize themselves; Aurora's never do.
    pub auto_initialize: bool,
}

/// One replica in the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Its host, or its directory.
    pub name: String,
    /// Whether somebody could look and everything needed could be read.
    pub known: bool,
    /// Whether it would start.
    pub opens: bool,
    /// Its status.
    pub status: Option<Status>,
    /// First position after truncation.
    pub begin: Option<u64>,
    /// Highest position.
    pub end: Option<u64>,
    /// Actions that it holds.
    pub actions: u64,
    /// Positions, above every truncation, that are learned here and that no other replica holds.
    pub only_here: Vec<Span>,
    /// How many those are.
    pub only_here_count: u64,
    /// What a restart of the whole group would do to it.
    pub restart: Restart,
}

/// What becomes of one replica when the group is started as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// It votes.
    Votes,
    /// It copies the positions of a quorum and votes then.
    CatchesUp,
    /// All are empty and initialize themselves.
    InitializesItself,
    /// All are empty; it warns that nobody initialized the log, and waits.
    WaitsForInitialize,
    /// It asks the others for ever: neither a quorum votes nor all are empty.
    StuckForEver,
    /// It ends with an error.
    DoesNotStart,
    /// It depends on replicas that nobody could look at.
    #[default]
    Unknown,
}

/// A position with more than one learned value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The position.
    pub position: u64,
    /// One per replica, in their order: a word and a digest, or nothing where it is not learned.
    pub values: Vec<Option<String>>,
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The replicas in the order given.
    pub members: Vec<Member>,
    /// The quorum that was reckoned with.
    pub quorum: u32,
    /// Replicas that are VOTING and would start.
    pub voting: u32,
    /// Replicas that nobody could look at.
    pub unknown: u32,
    /// The first positions with different learned values.
    pub differences: Vec<Difference>,
    /// All of them, in at most 64 spans.
    pub different: Vec<Span>,
    /// How many there are.
    pub different_count: u64,
    /// Learned positions, above every truncation, that fewer than a quorum hold even if every unknown replica does.
    pub below_quorum: Vec<Span>,
    /// How many those are.
    pub below_quorum_count: u64,
    /// Highest end minus lowest end of the replicas that would start.
    pub ends_apart: u64,
    /// Replicas whose directory must be copied aside before anything else is done, and must not be initialized.
    pub do_not_touch: Vec<String>,
    /// What is remarkable.
    pub findings: Vec<Finding>,
}

/// What one replica brings along.
struct Held<'a> {
    actions: &'a [ActionAt],
    spans: Vec<Span>,
    learned: Vec<Span>,
}

/// Compares replicas of one log.
pub fn compare(replicas: &[Compared<'_>], group: Group) -> Comparison {
    let majority = u32::try_from(replicas.len() / 2 + 1).unwrap_or(u32::MAX);
    let mut all = Comparison { quorum: group.quorum.unwrap_or(majority).max(1), ..Comparison::default() };
    let held: Vec<Held<'_>> = replicas.iter().map(hold).collect();
    all.members = replicas.iter().map(member).collect();
    all.voting = number(all.members.iter().filter(|member| votes(member)).count());
    all.unknown = number(all.members.iter().filter(|member| !member.known).count());
    let begin = all.members.iter().filter_map(|member| member.begin).max().unwrap_or(0);
    let kept = Span { first: begin, last: u64::MAX };
    only_here(&mut all, &held, kept);
    below_quorum(&mut all, &held, kept);
    differences(&mut all, &held);
    let ends = || all.members.iter().filter(|member| member.opens).filter_map(|member| member.end);
    all.ends_apart = ends().max().unwrap_or(0).saturating_sub(ends().min().unwrap_or(0));
    restarts(&mut all, group.auto_initialize);
    survivors(&mut all);
    judge(&mut all);
    all
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn votes(member: &Member) -> bool {
    member.known && member.opens && member.status == Some(Status::Voting)
}

fn hold<'a>(replica: &Compared<'a>) -> Held<'a> {
    let actions = replica.inspection.map(Inspection::actions).unwrap_or_default();
    let learned = actions.iter().filter(|at| at.action.learned == Some(true)).map(|at| at.action.position);
    Held { actions, spans: spans_of(actions.iter().map(|at| at.action.position)), learned: spans_of(learned) }
}

fn member(replica: &Compared<'_>) -> Member {
    let view = replica.inspection.map(|inspection| &inspection.summary.mesos_view);
    Member {
        name: replica.name.to_owned(),
        known: view.is_some_and(|view| view.certain),
        opens: view.is_some_and(|view| view.opens),
        status: view.and_then(|view| view.status),
        begin: view.and_then(|view| view.begin),
        end: view.and_then(|view| view.end),
        actions: view.map_or(0, |view| view.actions),
        only_here: Vec::new(),
        only_here_count: 0,
        restart: Restart::Unknown,
    }
}

/// The part of ascending spans that lies in `whole`.
fn within(spans: &[Span], whole: Span) -> Vec<Span> {
    let part = |span: &Span| Span { first: span.first.max(whole.first), last: span.last.min(whole.last) };
    spans.iter().map(part).filter(|span| span.first <= span.last).collect()
}

fn only_here(all: &mut Comparison, held: &[Held<'_>], kept: Span) {
    for (n, member) in all.members.iter_mut().enumerate() {
        let Some(own) = held.get(n) else { continue };
        let others = held.iter().enumerate().filter(|(other, _)| *other != n).flat_map(|(_, other)| &other.spans);
        let others = union(others.copied());
        let only: Vec<Span> = within(&own.learned, kept).into_iter().flat_map(|span| subtract(span, &others)).collect();
        member.only_here_count = count(&only);
        member.only_here = only.into_iter().take(MAX_SPANS).collect();
    }
}

fn below_quorum(all: &mut Comparison, held: &[Held<'_>], kept: Span) {
    let learned = union(held.iter().flat_map(|one| &one.learned).copied());
    // Where coverage rises and falls, in order.
    let mut edges: Vec<(u64, i64)> = Vec::new();
    for span in held.iter().flat_map(|one| within(&one.spans, kept)) {
        edges.push((span.first, 1));
        if let Some(after) = span.last.checked_add(1) {
            edges.push((after, -1));
        }
    }
    edges.sort_unstable();
    let (mut covered, mut enough) = (i64::from(all.unknown), Vec::new());
    let mut edges = edges.into_iter().peekable();
    while let Some((at, change)) = edges.next() {
        covered += change;
        if let Some((next, _)) = edges.peek().filter(|(next, _)| *next > at)
            && covered >= i64::from(all.quorum)
        {
            enough.push(Span { first: at, last: next - 1 });
        }
    }
    let enough = union(enough.into_iter());
    let thin: Vec<Span> = within(&learned, kept).into_iter().flat_map(|span| subtract(span, &enough)).collect();
    all.below_quorum_count = count(&thin);
    all.below_quorum = thin.into_iter().take(MAX_SPANS).collect();
}

/// Walks all replicas by position.
fn differences(all: &mut Comparison, held: &[Held<'_>]) {
    let mut rest: Vec<&[ActionAt]> = held.iter().map(|one| one.actions).collect();
    let mut different: Vec<u64> = Vec::new();
    while let Some(position) = rest.iter().filter_map(|one| one.first()).map(|at| at.action.position).min() {
        let mut values: Vec<Option<&ActionAt>> = Vec::with_capacity(rest.len());
        for one in &mut rest {
            let here = one.split_first().filter(|(at, _)| at.action.position == position);
            if let Some((_, after)) = here {
                *one = after;
            }
            values.push(here.map(|(at, _)| at).filter(|at| at.action.learned == Some(true)));
        }
        let mut known = values.iter().flatten();
        let Some(first) = known.next() else { continue };
        if known.all(|at| at.action.kind == first.action.kind && at.digest == first.digest) {
            continue;
        }
        if all.differences.len() < DIFFERENCES_MAX {
            let values = values.iter().map(|at| at.map(value_word)).collect();
            all.differences.push(Difference { position, values });
        }
        different.push(position);
    }
    let spans = spans_of(different);
    all.different_count = count(&spans);
    all.different = spans.into_iter().take(MAX_SPANS).collect();
}

fn value_word(at: &ActionAt) -> String {
    match at.action.kind {
        Some(ActionKind::Append { len }) => format!("append of {len} bytes, {:016x}", at.digest),
        Some(ActionKind::Nop { tombstone: true }) => "nop with tombstone".to_owned(),
        Some(ActionKind::Nop { tombstone: false }) => "nop".to_owned(),
        Some(ActionKind::Truncate { to }) => format!("truncate to {to}"),
        None => "nothing".to_owned(),
    }
}

/// The rules of the recovery protocol, asked for each replica.
fn restarts(all: &mut Comparison, auto: bool) {
    let quorum = all.quorum;
    let group = quorum.saturating_mul(2).saturating_sub(1);
    let with =
        |status: Status| number(all.members.iter().filter(|m| m.known && m.opens && m.status == Some(status)).count());
    let (empty, starting) = (with(Status::Empty), with(Status::Starting));
    let (voting, unknown) = (all.voting, all.unknown);
    for member in &mut all.members {
        member.restart = match member.status {
            _ if !member.known => Restart::Unknown,
            _ if !member.opens => Restart::DoesNotStart,
            Some(Status::Voting) => Restart::Votes,
            _ if voting >= quorum => Restart::CatchesUp,
            // Whoever is unknown may vote, or may be as empty as the others.
            _ if voting + unknown >= quorum && unknown > 0 => Restart::Unknown,
            Some(Status::Empty) if auto && empty + starting >= group => Restart::InitializesItself,
            Some(Status::Starting) if auto && starting + voting >= group => Restart::Votes,
            Some(Status::Empty) if !auto && empty >= group => Restart::WaitsForInitialize,
            _ => Restart::StuckForEver,
        };
    }
}

/// Who holds what nobody else can give back.
fn survivors(all: &mut Comparison) {
    let short = all.voting < all.quorum;
    let keep = |member: &Member| {
        let last_votes = short && votes(member) && member.actions > 0;
        last_votes || member.only_here_count > 0
    };
    all.do_not_touch = all.members.iter().filter(|m| keep(m)).map(|member| member.name.clone()).collect();
}

fn judge(all: &mut Comparison) {
    let mut findings = Vec::new();
    if all.different_count > 0 {
        let text = format!(
            "{} positions have different learned values on different replicas ({}): the log has split, or a value was damaged and laundered",
            all.different_count,
            describe(&all.different)
        );
        findings.push(Finding::new("values-differ", Severity::Damage, text).over(&all.different));
    }
    if all.below_quorum_count > 0 && all.members.len() > 1 {
        let text = format!(
            "{} learned positions ({}) are held by fewer than {} replicas although a quorum accepted each: disks were lost, replaced or initialized",
            all.below_quorum_count,
            describe(&all.below_quorum),
            all.quorum
        );
        findings.push(Finding::new("below-quorum", Severity::Damage, text).over(&all.below_quorum));
    }
    let blank = number(all.members.iter().filter(|member| votes(member) && member.actions == 0).count());
    let filled: Vec<&str> =
        all.members.iter().filter(|member| member.actions > 0).map(|member| member.name.as_str()).collect();
    if blank >= all.quorum && !filled.is_empty() {
        let text = format!(
            "{blank} initialized replicas without any position are a quorum by themselves: they elect a leader that starts at position 0, and what {} holds is lost in silence",
            filled.join(", ")
        );
        findings.push(Finding::new("quorum-of-blanks", Severity::Damage, text));
    }
    if all.members.iter().any(|member| member.restart == Restart::StuckForEver) {
        let text = format!(
            "{} of {} replicas vote and {} are needed: started as it is, the group asks for ever and nothing leads",
            all.voting,
            all.members.len(),
            all.quorum
        );
        findings.push(Finding::new("restart-stuck", Severity::Damage, text));
    }
    if all.ends_apart > 0 {
        let text = format!(
            "the ends are {} positions apart: normal for a replica that was away, loss where it was not",
            all.ends_apart
        );
        findings.push(Finding::new("ends-apart", Severity::Info, text));
    }
    if number(all.members.len()) != all.quorum.saturating_mul(2).saturating_sub(1) {
        let text = format!(
            "{} replicas with a quorum of {}: the recovery protocol assumes {}",
            all.members.len(),
            all.quorum,
            all.quorum.saturating_mul(2).saturating_sub(1)
        );
        findings.push(Finding::new("group-size", Severity::Warning, text));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all.findings = findings;
}
