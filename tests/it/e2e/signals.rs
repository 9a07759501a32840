//! A session that is asked to end, and a second process over a session that is driven.

use firstlight::{practice::Scenario, session::Event};
use rustix::process::Signal;

use super::{
    cluster_checks::Before,
    rig::{Rig, SHORT, WALK, answers, wait_for},
};

/// Signals, each with the number of records at which it is sent.
const SENT: [(Signal, usize); 3] = [(Signal::INT, 40), (Signal::TERM, 60), (Signal::HUP, 60)];

#[test]
fn a_signal_ends_in_good_order_and_the_session_goes_on() {
    let rig = Rig::up(Scenario::WipedLog, 1);
    let before = Before::of(&rig);
    let answers = answers(Scenario::WipedLog);
    let mut walk = rig.walk(&answers);
    for (count, (signal, after)) in SENT.into_iter().enumerate() {
        let from = rig.seq();
        wait_for("the walk is on its way", SHORT, || (rig.seq() >= from + after).then_some(()));
        if count == 0 {
            let second = rig.run(&["resume", &rig.id(), "--answers", &answers]).expect(8);
            assert!(second.err.contains("tester"), "{}", second.err);
        }
        walk.signal(signal);
        let ran = walk.wait(SHORT).expect(11);
        assert!(ran.err.contains("left"), "{}", ran.err);
        rig.verify();
        let events = rig.events();
        assert!(matches!(events.last(), Some(Event::Left { .. })), "{:?}", events.last());
        walk = rig.start(&["resume", &rig.id(), "--answers", &answers]);
    }
    walk.wait(WALK).expect(0);
    before.is_whole(&rig);
    rig.verify();
    let resumed = rig.events().iter().filter(|event| matches!(event, Event::Resumed { .. })).count();
    assert_eq!(resumed, SENT.len());
}
