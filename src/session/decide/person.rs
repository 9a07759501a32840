//! Commands of a person, or of an answers file in a person's stead.

use super::{Draft, Refusal, cannot_render, no_row, no_step};
use crate::{
    runbook::model::{Confirm, HostName, Input, InputId, InputKind, ItemId, LOCAL, Step, StepId, Target},
    session::{
        Answer, AttemptId, Command, Context, Event, Given, UndoId,
        command::says_something,
        context::member,
        state::{Life, RowStatus, StepStatus, UndoStatus},
        view::{blocks, no_way_back, not_ready, out_of_turn, row_gates},
    },
};

/// Longest answer, in bytes: a list of a few thousand task ids still fits.
const ANSWER_BYTES_MAX: usize = 1 << 20;

impl Draft {
    pub(super) fn person(&mut self, command: &Command) -> Result<(), Refusal> {
        if let Some(why) = self.has_to_wait(command) {
            return Err(Refusal::NotYet(why));
        }
        match command {
            Command::Acknowledge { item, shown } => self.acknowledge(item, shown),
            Command::Answer { input, given } => self.answer(input, given),
            Command::Begin => self.begin(),
            Command::Tick { step, item, on } => self.tick(step, item, *on),
            Command::Run { step, typed, shown, seen_seq } => self.run(step, typed.as_deref(), shown, *seen_seq),
            Command::Retry { step, host } => self.retry(step, host),
            Command::Skip { step, reason } => self.skip(step, reason),
            Command::GoBack { step, reason } => self.go_back(step, reason),
            Command::ByHand { step, host, reason } => self.by_hand(step, host.as_ref(), reason),
            Command::Override { step, host, gate, reason } => self.override_gate(step, host, *gate, reason),
            Command::Note { text } if says_something(text) => self.note(text.clone()),
            Command::Note { .. } => Err(Refusal::NoReason),
            Command::Settle { attempt, happened, reason } => self.settle(*attempt, *happened, reason),
            Command::LookAgain { attempt } => self.look_whether_it_happened(*attempt),
            Command::UndoByHand { entry, reason } => self.undo_by_hand(*entry, reason),
            Command::Abandon { reason } => self.abandon(reason),
            Command::Hold => self.emit_unless(self.state.held, Event::Held),
            Command::Release => self.emit_unless(!self.state.held, Event::Released),
            Command::Leave { why } => self.emit(Event::Left { why: why.clone() }),
            Command::Resume { .. }
            | Command::ClockJumped { .. }
            | Command::Finished { .. }
            | Command::Looked { .. } => Ok(()),
        }
    }

    fn emit_unless(&mut self, already: bool, event: Event) -> Result<(), Refusal> {
        if already { Ok(()) } else { self.emit(event) }
    }

    fn acknowledge(&mut self, item: &ItemId, shown: &str) -> Result<(), Refusal> {
        if !self.state.runbook().consequences.iter().any(|entry| &entry.id == item) {
            return Err(Refusal::NoSuch(format!("consequence {item}")));
        }
        if self.state.acknowledged.contains(item) {
            return Ok(());
        }
        self.emit(Event::Acknowledged { item: item.clone(), shown: shown.to_owned() })
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        if self.state.life != Life::Opening {
            return Err(Refusal::NotYet("the session has begun already".to_owned()));
        }
        let runbook = self.state.runbook();
        let open = runbook.consequences.iter().filter(|item| !self.state.acknowledged.contains(&item.id)).count();
        if open > 0 {
            return Err(Refusal::NotYet(format!("{open} consequences of the plan are not acknowledged")));
        }
        let local = HostName::from(LOCAL);
        let context = Context::new(&self.state, &local);
        let missing = runbook.inputs.iter().find(|input| !input.optional && context.answer(input).is_none());
        if let Some(input) = missing {
            return Err(Refusal::NotYet(format!("\u{201c}{}\u{201d} is not answered", input.title)));
        }
        self.emit(Event::Began)
    }

    fn answer(&mut self, id: &InputId, given: &Given) -> Result<(), Refusal> {
        let found = self.state.runbook().inputs().find(|(_, input)| &input.id == id);
        let (step, input) = found.ok_or_else(|| Refusal::NoSuch(format!("question {id}")))?;
        let closed = match step {
            Some(step) => self
                .state
                .step(&step.id)
                .is_some_and(|step| !matches!(step.status, StepStatus::Locked | StepStatus::Ready)),
            None => self.state.life != Life::Opening,
        };
        if closed {
            return Err(Refusal::NotYet(format!("\u{201c}{}\u{201d} has been acted on already", input.title)));
        }
        let local = HostName::from(LOCAL);
        let context = Context::new(&self.state, &local);
        if let Some(when) = &input.when
            && !context.applies(when).unwrap_or(false)
        {
            let why = format!("\u{201c}{}\u{201d} is only asked when {}", input.title, context.say(when));
            return Err(Refusal::NotYet(why));
        }
        let answer = self.check_answer(input, given)?;
        self.emit(Event::Answered { input: id.clone(), answer })
    }

    fn check_answer(&self, input: &Input, given: &Given) -> Result<Option<Answer>, Refusal> {
        let bad = |why: String| Refusal::BadAnswer { input: input.title.clone(), why };
        let text = match given {
            Given::Nothing => return Ok(None),
            Given::Secret if input.kind == InputKind::Secret => return Ok(Some(Answer::Secret)),
            Given::Secret => return Err(bad("it does not take a secret".to_owned())),
            Given::Text(_) if input.kind == InputKind::Secret => {
                return Err(bad("it takes a secret, which is never written down".to_owned()));
            }
            Given::Text(text) | Given::Pick(text) => text.trim(),
        };
        if text.len() > ANSWER_BYTES_MAX {
            return Err(bad(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        match &input.kind {
            InputKind::Choice(choices) if !choices.iter().any(|choice| choice == text) => {
                return Err(bad(format!("\u{201c}{text}\u{201d} is not one of {}", choices.join(", "))));
            }
            InputKind::YesNoUnsure if !["yes", "no", "unsure"].contains(&text) => {
                return Err(bad("the answer is yes, no or unsure".to_owned()));
            }
            InputKind::Duration => {
                humantime::parse_duration(text)
                    .map_err(|error| bad(format!("{error}; write it as 90s, 2h or 1day")))?;
            }
            InputKind::Host(group)
                if !self.state.inventory().hosts_of(group).iter().any(|host| host.as_str() == text) =>
            {
                return Err(bad(format!("there is no host {text} in group {group}")));
            }
            InputKind::Pick { value, .. } => {
                let local = HostName::from(LOCAL);
                let entries = Context::new(&self.state, &local).choices(input);
                let found = entries.into_iter().find(|entry| member(entry, value).as_deref() == Some(text));
                let entry = found.ok_or_else(|| bad(format!("nothing that was found is called {text}")))?;
                return Ok(Some(Answer::Picked { value: text.to_owned(), entry }));
            }
            InputKind::Text
            | InputKind::Rows { .. }
            | InputKind::Choice(_)
            | InputKind::Path
            | InputKind::Host(_)
            | InputKind::Secret
            | InputKind::YesNoUnsure => {}
        }
        Ok(Some(Answer::Text(text.to_owned())))
    }

    fn tick(&mut self, step: &StepId, item: &ItemId, on: bool) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(step).ok_or_else(|| no_step(step))?;
        if !model.checklist.iter().any(|entry| &entry.id == item) {
            return Err(Refusal::NoSuch(format!("checklist item {item}")));
        }
        let ticked = self.state.step(step).is_some_and(|step| step.ticked.contains(item));
        self.emit_unless(ticked == on, Event::Ticked { step: step.clone(), item: item.clone(), on })
    }

    fn run(&mut self, id: &StepId, typed: Option<&str>, shown: &str, seen_seq: u64) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let model = model.clone();
        let step = self.state.step(id).ok_or_else(|| no_step(id))?;
        if step.status != StepStatus::Ready {
            let why = blocks(&self.state, id, self.now).into_iter().next().map(|(_, why)| why);
            return Err(Refusal::NotYet(why.unwrap_or_else(|| "it is under way or done".to_owned())));
        }
        if self.state.held {
            return Err(Refusal::NotYet("nothing new is started until you go on".to_owned()));
        }
        if let Some(why) = not_ready(&self.state, step, &model).into_iter().next() {
            return Err(Refusal::NotYet(why));
        }
        if seen_seq < step.asked_seq {
            return Err(Refusal::StaleScreen);
        }
        let local = HostName::from(LOCAL);
        if let Confirm::Phrase(phrase) = &model.confirm {
            let phrase = Context::new(&self.state, &local).text(phrase).map_err(cannot_render("the phrase"))?;
            if typed.map(str::trim) != Some(phrase.as_str()) {
                return Err(Refusal::WrongPhrase { phrase });
            }
        }
        let hosts = self.hosts_of(&model)?;
        if model.confirm != Confirm::None {
            let typed = typed.map(str::to_owned);
            self.emit(Event::Confirmed { step: id.clone(), typed, shown: shown.to_owned(), seen_seq })?;
        }
        self.emit(Event::StepStarted { step: id.clone(), hosts })
    }

    pub(super) fn hosts_of(&self, step: &Step) -> Result<Vec<HostName>, Refusal> {
        let local = HostName::from(LOCAL);
        Ok(match &step.on {
            Target::Local => vec![local],
            Target::Group(group) => self.state.inventory().hosts_of(group),
            Target::Host(text) => {
                let name = Context::new(&self.state, &local).text(text).map_err(cannot_render("where it runs"))?;
                let host = HostName(name);
                if self.state.inventory().host(&host).is_none() {
                    return Err(Refusal::NoSuch(format!("host {host} in the inventory")));
                }
                vec![host]
            }
        })
    }

    /// Why a step that was started is not gone on with: an earlier one has to be run again first. What is
    /// in doubt is settled all the same.
    fn has_to_wait(&self, command: &Command) -> Option<String> {
        let (Command::Retry { step: id, .. }
        | Command::Skip { step: id, .. }
        | Command::ByHand { step: id, .. }
        | Command::Override { step: id, .. }) = command
        else {
            return None;
        };
        let step = self.state.step(id).filter(|step| step.status == StepStatus::Active)?;
        let wanted = |row: &&crate::session::Row| match command {
            Command::Retry { host, .. } | Command::ByHand { host: Some(host), .. } => &row.host == host,
            _ => true,
        };
        let settles = matches!(command, Command::Retry { .. } | Command::ByHand { .. });
        let doubt = step.rows.iter().filter(wanted).any(|row| matches!(row.status, RowStatus::InDoubt { .. }));
        out_of_turn(&self.state, id).filter(|_| !(settles && doubt))
    }

    fn retry(&mut self, id: &StepId, host: &HostName) -> Result<(), Refusal> {
        let row = self.state.step(id).ok_or_else(|| no_step(id))?.row(host).ok_or_else(|| no_row(id, host))?;
        match &row.status {
            RowStatus::Stopped { .. } => self.next_action(id, host),
            // The gates do not open: do the actions once more, from the first.
            RowStatus::Verifying { .. } => self.start_over(id, host),
            RowStatus::InDoubt { attempt, .. } => self.look_whether_it_happened(*attempt),
            RowStatus::Waiting | RowStatus::Running { .. } | RowStatus::Done { .. } => {
                Err(Refusal::NotYet(format!("{host} has nothing to run again")))
            }
        }
    }

    fn skip(&mut self, id: &StepId, reason: &str) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        if !model.may_skip {
            let why = "this step may not be skipped; do it by hand (h), or let a gate count without evidence (o)";
            return Err(Refusal::NotYet(why.to_owned()));
        }
        let step = self.state.step(id).ok_or_else(|| no_step(id))?;
        let open =
            step.rows.iter().any(|row| matches!(row.status, RowStatus::Running { .. } | RowStatus::InDoubt { .. }));
        if !matches!(step.status, StepStatus::Ready | StepStatus::Active) || open {
            return Err(Refusal::NotYet(
                "only a step whose turn it is, and of which nothing runs, can be skipped".to_owned(),
            ));
        }
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        self.emit(Event::StepSkipped { step: id.clone(), reason: reason.to_owned() })
    }

    fn go_back(&mut self, id: &StepId, reason: &str) -> Result<(), Refusal> {
        if self.state.step(id).is_none() {
            return Err(no_step(id));
        }
        no_way_back(&self.state, id).map_or(Ok(()), |why| Err(Refusal::NotYet(why)))?;
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        self.emit(Event::WentBack { step: id.clone(), reason: reason.to_owned() })
    }

    fn by_hand(&mut self, id: &StepId, host: Option<&HostName>, reason: &str) -> Result<(), Refusal> {
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let model = model.clone();
        let step = self.state.step(id).ok_or_else(|| no_step(id))?;
        match step.status {
            StepStatus::Ready => {
                let missing = not_ready(&self.state, step, &model).into_iter().next();
                if let Some(why) = missing {
                    return Err(Refusal::NotYet(why));
                }
                let hosts = self.hosts_of(&model)?;
                self.emit(Event::StepStarted { step: id.clone(), hosts })?;
            }
            StepStatus::Active => {}
            StepStatus::Locked | StepStatus::Closed(_) => {
                return Err(Refusal::NotYet("its turn has not come, or is over".to_owned()));
            }
        }
        let step = self.state.step(id).ok_or_else(|| no_step(id))?;
        let wanted = |row: &&crate::session::Row| host.is_none_or(|host| &row.host == host);
        let free: Vec<HostName> = step
            .rows
            .iter()
            .filter(wanted)
            .filter(|row| {
                matches!(row.status, RowStatus::Waiting | RowStatus::Stopped { .. } | RowStatus::InDoubt { .. })
            })
            .map(|row| row.host.clone())
            .collect();
        if free.is_empty() {
            return Err(Refusal::NotYet("an action runs, or its actions are done already".to_owned()));
        }
        for host in free {
            self.emit(Event::RowByHand { step: id.clone(), host, reason: reason.to_owned() })?;
        }
        Ok(())
    }

    fn override_gate(&mut self, id: &StepId, host: &HostName, gate: usize, reason: &str) -> Result<(), Refusal> {
        let (_, model) = self.state.step_model(id).ok_or_else(|| no_step(id))?;
        let row = self.state.step(id).ok_or_else(|| no_step(id))?.row(host).ok_or_else(|| no_row(id, host))?;
        if !matches!(row.status, RowStatus::Verifying { .. }) {
            return Err(Refusal::NotYet(format!("the gates of {host} are not looked at yet")));
        }
        let views = row_gates(model, row, self.now);
        let view = views.get(gate).ok_or_else(|| Refusal::NoSuch(format!("gate {gate} in step {id}")))?;
        if view.open {
            return Err(Refusal::NotYet("that gate is open".to_owned()));
        }
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        let seen = view.reason.clone();
        self.emit(Event::Overridden { step: id.clone(), host: host.clone(), gate, reason: reason.to_owned(), seen })
    }

    fn settle(&mut self, attempt: AttemptId, happened: bool, reason: &str) -> Result<(), Refusal> {
        let doubtful = self.state.attempts.get(&attempt).is_some_and(|attempt| attempt.doubt.is_some());
        if !doubtful {
            return Err(Refusal::NoSuch(format!("attempt {attempt} in doubt")));
        }
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        self.emit(Event::DoubtSettled { attempt, happened, how: format!("the engineer says: {reason}") })
    }

    fn undo_by_hand(&mut self, entry: UndoId, reason: &str) -> Result<(), Refusal> {
        let open = self.state.undo.iter().any(|known| known.id == entry && known.status == UndoStatus::Open);
        let runs = self.state.attempts.values().any(|attempt| attempt.undoes == Some(entry));
        if !open || runs {
            return Err(Refusal::NotYet("that change is not there to be put back, or is being put back".to_owned()));
        }
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        self.emit(Event::UndoByHand { entry, reason: reason.to_owned() })
    }

    fn abandon(&mut self, reason: &str) -> Result<(), Refusal> {
        if matches!(self.state.life, Life::Ending { .. }) {
            return Err(Refusal::NotYet("the session is ending already".to_owned()));
        }
        if !self.state.attempts.is_empty() {
            let why = "an action runs or is in doubt; wait for it or settle it, then abandon";
            return Err(Refusal::NotYet(why.to_owned()));
        }
        if !says_something(reason) {
            return Err(Refusal::NoReason);
        }
        self.emit(Event::Abandoned { reason: reason.to_owned() })
    }
}
