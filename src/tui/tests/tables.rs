//! Tables: what their keys do, what is drawn of them, and which answer their marks become.

use crossterm::event::KeyCode;

use super::fixture::{Fixture, staged, text_of};
use crate::{
    session::{Answer, Command, Given},
    table::{Browse, Column, Table},
    tui::{
        act::Do,
        keymap::Context,
        model::Item,
        rows,
        rows::{KEYS_MAX, Loaded},
        text,
        ui::DialogKind,
    },
};

/// At a step, with a table of so many rows to be opened.
fn at(step: &str, rows: usize) -> Fixture {
    let mut fixture = Fixture::recovery();
    fixture.walk_to(step);
    fixture.table = Some(staged(rows));
    fixture
}

/// The table open, only to be read.
fn open(rows: usize) -> Fixture {
    let mut fixture = at("stop", rows);
    fixture.char('t');
    fixture.enter();
    assert_eq!(fixture.ui.context(&fixture.state), Context::Table, "{}", fixture.screen());
    fixture
}

/// The table open to answer a question.
fn answering(rows: usize) -> Fixture {
    let mut fixture = at("decide", rows);
    answer_with(&mut fixture);
    fixture
}

fn answer_with(fixture: &mut Fixture) {
    fixture.ui.selected = Some(Item::Ask("doomed".into()));
    fixture.enter();
    assert_eq!(fixture.ui.context(&fixture.state), Context::Table, "{}", fixture.screen());
}

fn marked(fixture: &Fixture) -> usize {
    fixture.ui.table.as_ref().map_or(0, |table| table.browse.marked())
}

fn answer(fixture: &Fixture) -> Option<String> {
    match fixture.state.answers.get(&"doomed".into())? {
        Answer::Text(text) => Some(text.clone()),
        Answer::Picked { .. } | Answer::Secret => None,
    }
}

#[test]
fn the_files_of_a_step_are_on_its_page() {
    let mut fixture = at("decide", 1);
    fixture.key(KeyCode::Left);
    fixture.size = (140, 45);
    let screen = fixture.screen();
    assert!(screen.contains("a7-staged.table.jsonl"), "{screen}");
    assert!(screen.contains("t opens it") && screen.contains("t table"), "{screen}");
}

#[test]
fn a_table_is_opened_filtered_and_left_without_change() {
    let mut fixture = open(200);
    assert!(fixture.screen().contains("staged tasks: 200"), "{}", fixture.screen());
    fixture.char('/');
    fixture.typed("role:ads env=prod");
    let shown = fixture.ui.table.as_ref().unwrap().browse.shown().len();
    assert!(shown > 0 && shown < 200);
    assert!(fixture.screen().contains(&format!("{shown} shown of 200")), "{}", fixture.screen());
    fixture.enter();
    fixture.char('a');
    assert_eq!(marked(&fixture), shown);
    // Esc shows all rows again and keeps the marks; the next one closes.
    fixture.key(KeyCode::Esc);
    assert!(fixture.screen().contains(&format!("staged tasks: 200, {shown} MARKED")), "{}", fixture.screen());
    fixture.key(KeyCode::Esc);
    assert!(fixture.ui.table.is_none());
    assert!(!fixture.done.iter().any(|done| matches!(done, Do::Ask(..))));
}

#[test]
fn a_filter_that_is_not_kept_is_the_one_before() {
    let mut fixture = open(50);
    fixture.char('/');
    fixture.typed("ads");
    fixture.enter();
    fixture.char('/');
    fixture.typed("nothing like it");
    assert!(fixture.screen().contains(text::NONE_SHOWN));
    fixture.key(KeyCode::Esc);
    assert_eq!(fixture.ui.table.as_ref().unwrap().browse.typed(), "ads");
    // What is typed is never a command.
    fixture.char('/');
    fixture.typed(" q t a");
    assert_eq!((fixture.ui.context(&fixture.state), marked(&fixture)), (Context::Filter, 0));
}

#[test]
fn groups_are_gone_into_and_come_back() {
    let mut fixture = open(200);
    fixture.char('g');
    assert!(fixture.screen().contains("3 groups by role"), "{}", fixture.screen());
    fixture.enter();
    fixture.char('g');
    fixture.char('g');
    fixture.char('g');
    fixture.enter();
    let typed = fixture.ui.table.as_ref().unwrap().browse.typed().to_owned();
    assert!(typed.starts_with("role=") && typed.contains(" job="), "{typed}");
    fixture.key(KeyCode::Esc);
    assert!(fixture.screen().contains("groups by job"), "{}", fixture.screen());
    fixture.key(KeyCode::Esc);
    assert!(fixture.screen().contains("groups by role"), "{}", fixture.screen());
    for _ in 0..5 {
        fixture.char('g');
    }
    assert_eq!(fixture.ui.table.as_ref().unwrap().browse.group(), None);
}

#[test]
fn a_row_is_shown_whole_and_the_next_after_it() {
    let mut fixture = open(20);
    fixture.enter();
    let screen = fixture.screen();
    assert!(
        screen.contains("constraint: limit host 1") && screen.contains("1300000000000-www-data-prod-0"),
        "{screen}"
    );
    fixture.key(KeyCode::Right);
    assert!(fixture.screen().contains(" 2 of 20"), "{}", fixture.screen());
    fixture.char('y');
    assert!(matches!(fixture.done.last(), Some(Do::Copy(key)) if key == "1300000000001-ads-prod-1"));
    fixture.char('q');
    assert_eq!(fixture.ui.context(&fixture.state), Context::Table);
}

#[test]
fn a_file_that_cannot_be_read_says_why_and_where() {
    let mut fixture = at("stop", 1);
    fixture.table = None;
    fixture.char('t');
    fixture.enter();
    let screen = fixture.screen();
    assert!(
        screen.contains("opening /home/ada/.local/state/firstlight/s/evidence/a7-staged.table.jsonl: No"),
        "{screen}"
    );
    fixture.char('a');
    fixture.char('q');
    assert!(fixture.ui.table.is_none());
}

#[test]
fn marked_rows_become_the_answer_after_a_question() {
    let mut fixture = answering(200);
    fixture.char('t');
    assert!(fixture.screen().contains(text::NOTHING_MARKED), "{}", fixture.screen());
    fixture.char(' ');
    fixture.char(' ');
    fixture.char('t');
    assert!(matches!(fixture.ui.dialog.as_ref().unwrap().kind, DialogKind::Take { rows: 2, .. }));
    fixture.key(KeyCode::Esc);
    assert_eq!((answer(&fixture), marked(&fixture)), (None, 2));
    fixture.char('t');
    fixture.enter();
    assert_eq!(answer(&fixture).unwrap(), "1300000000000-www-data-prod-0,1300000000001-ads-prod-1");
    assert!(fixture.ui.table.is_none());
    // Opened again, the answer is marked; without a mark, it is taken back.
    answer_with(&mut fixture);
    assert_eq!(marked(&fixture), 2);
    fixture.char('u');
    fixture.char('t');
    fixture.enter();
    assert_eq!(answer(&fixture).as_deref().unwrap_or(""), "");
}

#[test]
fn a_whole_group_becomes_a_query() {
    let mut fixture = answering(5_000);
    fixture.char('g');
    fixture.char(' ');
    fixture.char('t');
    fixture.enter();
    let answer = answer(&fixture).unwrap();
    assert!(["role=www-data", "role=ads", "role=search-infra"].contains(&answer.as_str()), "{answer}");
    answer_with(&mut fixture);
    assert!(marked(&fixture) > 1_000);
}

#[test]
fn what_has_no_query_and_is_too_much_is_refused() {
    let mut fixture = answering(3 * KEYS_MAX);
    fixture.char('/');
    fixture.typed("!role=ads");
    fixture.enter();
    fixture.char('a');
    fixture.char('t');
    assert!(fixture.ui.dialog.is_none() && fixture.screen().contains("too many to name"), "{}", fixture.screen());
}

#[test]
fn closing_keeps_the_marks_until_another_table_is_opened() {
    let mut fixture = answering(50);
    fixture.char('v');
    fixture.char('q');
    assert_eq!(fixture.ui.context(&fixture.state), Context::Walk);
    answer_with(&mut fixture);
    assert_eq!(marked(&fixture), 1);
}

#[test]
fn an_answer_never_says_more_than_was_marked() {
    let columns = vec![Column::grouping("role", "role"), Column::grouping("job", "job")];
    let mut table = Table::new("", columns).unwrap();
    for (key, cells) in [("1", ["a b", "x"]), ("2", ["a b", "x"]), ("3", ["c", "x"]), ("4,5", ["d", "y"])] {
        table.push(key, cells, [""; 0]).unwrap();
    }
    let found = Loaded::new(table);
    let answer = |keys: &[&str]| {
        let mut browse = Browse::of(&found.table);
        browse.mark_keys(&found.table, &found.index, keys);
        rows::answer_of(&browse, &found)
    };
    // A value with a blank cannot stand in a query; a key with a comma in no answer at all.
    assert_eq!(answer(&["1", "2"]), Ok("1,2".to_owned()));
    assert_eq!(answer(&["1", "2", "3"]), Ok("job=x".to_owned()));
    assert_eq!(answer(&["3"]), Ok("3".to_owned()));
    assert!(answer(&["4,5"]).is_err());
}

#[test]
fn every_table_screen_at_every_size() {
    let scenes: &[(&str, &str, bool)] = &[
        ("list", "", false),
        ("filter", "/role:ads pend", false),
        ("groups", "gjj ", true),
        ("sorted", "sssssssS>", false),
        ("row", "jjjj\n", false),
        ("take", "gj t", true),
    ];
    for (name, keys, answers) in scenes {
        for (size, plain) in
            [((80, 24), false), ((140, 45), false), ((80, 24), true), ((40, 10), false), ((1, 1), false)]
        {
            let mut fixture = if *answers { answering(300) } else { open(300) };
            fixture.theme.ascii = plain;
            fixture.theme.no_color = plain;
            fixture.size = size;
            for key in keys.chars() {
                fixture.key(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
            }
            let buffer = fixture.frame();
            for cell in buffer.content() {
                assert!(!plain || cell.symbol().is_ascii(), "{name}: {:?}", cell.symbol());
                assert!(!cell.symbol().contains(char::is_control), "{name}: {:?}", cell.symbol());
            }
            let ascii = if plain { "-ascii" } else { "" };
            insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(format!("table-{name}@{}x{}{ascii}", size.0, size.1), text_of(&buffer));
            });
        }
    }
}

#[test]
fn an_answer_by_text_is_marked_when_the_table_opens() {
    let mut fixture = at("decide", 200);
    let given = Given::Text("role=ads status=PENDING".to_owned());
    fixture.ask(&Command::Answer { input: "doomed".into(), given }).unwrap();
    answer_with(&mut fixture);
    let table = fixture.ui.table.as_ref().unwrap();
    let found = table.loaded().unwrap();
    assert!(table.browse.marked() > 0);
    assert!(
        table
            .browse
            .marked_rows()
            .all(|row| found.table.cell(row, 0) == "ads" && found.table.cell(row, 4) == "PENDING")
    );
}

#[test]
fn an_answer_in_another_form_is_marked_or_said_not_to_be() {
    for (given, marks, said) in [
        ("role=ads,www-data env=prod", true, false),
        ("host=rack1* status=pending", true, false),
        ("instance=0-3", false, true),
        ("1300000000000-www-data-prod-0 gone", true, true),
    ] {
        let mut fixture = at("decide", 200);
        fixture.ask(&Command::Answer { input: "doomed".into(), given: Given::Text(given.to_owned()) }).unwrap();
        answer_with(&mut fixture);
        let screen = fixture.screen();
        assert_eq!(
            (marked(&fixture) > 0, screen.contains("not all of the answer")),
            (marks, said),
            "{given}\n{screen}"
        );
    }
}

#[test]
fn what_differs_by_case_or_holds_a_star_is_named_one_by_one() {
    for (values, wanted) in [(["ads", "Ads"], "1,2"), (["ad*", "ad*"], "1,2"), (["ads", "ads"], "role=ads")] {
        let mut table = Table::new("", vec![Column::grouping("role", "role")]).unwrap();
        for (key, value) in ["1", "2"].iter().zip(values) {
            table.push(key, [value], [""; 0]).unwrap();
        }
        table.push("3", ["www"], [""; 0]).unwrap();
        let found = Loaded::new(table);
        let mut browse = Browse::of(&found.table);
        browse.mark_keys(&found.table, &found.index, &["1", "2"]);
        assert_eq!(rows::answer_of(&browse, &found).as_deref(), Ok(wanted), "{values:?}");
    }
}
