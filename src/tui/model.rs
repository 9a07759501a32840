//! What of the state is shown, before it has a shape on the screen: what can be selected, the commands of
//! a step for each host, times in words. Pure.

use crate::{
    runbook::{
        kind::Kind,
        model::{Danger, HostName, InputId, ItemId, LOCAL, Phase, Step, StepId, Target},
        plan, template,
        text::Slot,
    },
    session::{Context, Life, RowStatus, Stamp, State, StepState, StepStatus},
};

/// Something that can be selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A consequence of the plan.
    Consequence(ItemId),
    /// An item of the step's checklist.
    Check(ItemId),
    /// A question.
    Ask(InputId),
    /// A row.
    Row(HostName),
    /// A gate of a row.
    Gate(HostName, usize),
}

impl Item {
    /// The host it belongs to.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Row(host) | Self::Gate(host, _) => Some(host),
            Self::Consequence(_) | Self::Check(_) | Self::Ask(_) => None,
        }
    }
}

/// What can be selected on the plan, in the order in which it is drawn.
pub fn plan_items(state: &State) -> Vec<Item> {
    let runbook = state.runbook();
    let consequences = runbook.consequences.iter().map(|item| Item::Consequence(item.id.clone()));
    let asks = runbook.inputs.iter().filter(|input| is_asked(state, input)).map(|input| Item::Ask(input.id.clone()));
    consequences.chain(asks).collect()
}

/// What can be selected on a step, in the order in which it is drawn.
pub fn step_items(state: &State, step: &StepState, model: &Step) -> Vec<Item> {
    let mut items = Vec::new();
    let mut asks = Vec::new();
    asks.extend(model.checklist.iter().map(|item| Item::Check(item.id.clone())));
    let inputs = model.inputs.iter().filter(|input| is_asked(state, input));
    asks.extend(inputs.map(|input| Item::Ask(input.id.clone())));
    let mut rows = Vec::new();
    for host in hosts(state, step, model) {
        rows.push(Item::Row(host.clone()));
        let gates = step.row(&host).map_or(0, |row| row.gates.len());
        rows.extend((0..gates).map(|gate| Item::Gate(host.clone(), gate)));
    }
    if rows_first(step) {
        items.extend(rows);
        items.extend(asks);
    } else {
        items.extend(asks);
        items.extend(rows);
    }
    items
}

/// True once the rows say more than the explanation does.
pub fn rows_first(step: &StepState) -> bool {
    match step.status {
        StepStatus::Locked | StepStatus::Ready => false,
        StepStatus::Active | StepStatus::Closed(_) => !step.rows.is_empty(),
    }
}

/// True if a question is asked at this moment.
pub fn is_asked(state: &State, input: &crate::runbook::model::Input) -> bool {
    let local = HostName::from(LOCAL);
    let context = Context::new(state, &local);
    input.when.as_ref().is_none_or(|when| context.applies(when).unwrap_or(false))
}

/// The hosts of a step: its rows, or where it will run.
pub fn hosts(state: &State, step: &StepState, model: &Step) -> Vec<HostName> {
    if !step.rows.is_empty() {
        return step.rows.iter().map(|row| row.host.clone()).collect();
    }
    let local = HostName::from(LOCAL);
    match &model.on {
        Target::Local => vec![local],
        Target::Group(group) => state.inventory().hosts_of(group),
        Target::Host(text) => {
            let name = HostName(Context::new(state, &local).show(text));
            vec![name]
        }
    }
}

/// The commands of a step, one entry for all hosts that do the same.
pub fn commands(state: &State, step: &StepState, model: &Step) -> Vec<(Vec<HostName>, Vec<String>)> {
    let mut groups: Vec<(Vec<HostName>, Vec<String>)> = Vec::new();
    for host in hosts(state, step, model) {
        let lines = host_commands(state, model, &host);
        match groups.iter_mut().find(|(_, known)| *known == lines) {
            Some((hosts, _)) => hosts.push(host),
            None => groups.push((vec![host], lines)),
        }
    }
    groups
}

/// The commands of a step on one host.
pub fn host_commands(state: &State, model: &Step, host: &HostName) -> Vec<String> {
    let context = Context::new(state, host);
    let applies = |when: &Option<_>| when.as_ref().is_none_or(|when| context.applies(when).unwrap_or(true));
    model
        .actions
        .iter()
        .filter(|action| applies(&action.when))
        .map(|action| plan::describe_on(&shown_kind(&context, &action.kind), state.inventory(), host))
        .collect()
}

/// A kind as it is shown: rendered, or with the names of what is not known yet.
pub fn shown_kind(context: &Context<'_>, kind: &Kind) -> Kind {
    let mut done = kind.clone();
    if template::render_kind(&mut done, context).is_ok() {
        return done;
    }
    let mut part = kind.clone();
    part.texts(&mut |slot| {
        if let Slot::Plain(text) = slot {
            text.0 = context.show(text);
        }
    });
    part
}

/// The step that is shown: the one that was chosen, else the current, else the last.
pub fn shown_step<'a>(state: &'a State, chosen: Option<&StepId>) -> Option<(&'a StepState, &'a Phase, &'a Step)> {
    let step = chosen.and_then(|id| state.step(id)).or_else(|| state.current()).or_else(|| state.steps.last())?;
    let (phase, model) = state.step_model(&step.id)?;
    Some((step, phase, model))
}

/// A step's number as it is shown: phase, step within it, both from 1.
pub fn number(state: &State, id: &StepId) -> String {
    for (phase_at, phase) in state.runbook().phases.iter().enumerate() {
        if let Some(step_at) = phase.steps.iter().position(|step| &step.id == id) {
            return format!("{}.{}", phase_at + 1, step_at + 1);
        }
    }
    String::new()
}

/// What a step may do, in words.
pub fn danger_word(danger: Danger) -> &'static str {
    match danger {
        Danger::Reads => "only looks",
        Danger::Changes => "CHANGES",
        Danger::Destroys => "DESTROYS",
        Danger::PointOfNoReturn => "NO WAY BACK",
    }
}

/// Hours, minutes and seconds, as a clock shows them.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours:02}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// A length of time in one unit.
pub fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}min", seconds / 60),
        seconds => format!("{}h{:02}min", seconds / 3600, seconds / 60 % 60),
    }
}

/// How long ago something was.
pub fn ago(now: Stamp, then: Stamp) -> String {
    format!("{} ago", span(now.since(then)))
}

/// Number of rows in doubt, with the first attempt: what `settle` is about.
pub fn first_doubt(step: &StepState, preferred: Option<&HostName>) -> Option<crate::session::AttemptId> {
    let doubt = |row: &crate::session::Row| match &row.status {
        RowStatus::InDoubt { attempt, .. } => Some(*attempt),
        RowStatus::Waiting
        | RowStatus::Running { .. }
        | RowStatus::Stopped { .. }
        | RowStatus::Verifying { .. }
        | RowStatus::Done { .. } => None,
    };
    let wanted = preferred.and_then(|host| step.row(host)).and_then(doubt);
    wanted.or_else(|| step.rows.iter().find_map(doubt))
}

/// True while steps can be walked.
pub fn is_walking(state: &State) -> bool {
    match state.life {
        Life::Walking | Life::Ending { .. } => true,
        Life::Opening | Life::Ended { .. } => false,
    }
}
