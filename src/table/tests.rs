//! The table against simple twins of itself, and its form on disk.

use std::io::BufReader;

use proptest::prelude::*;

use super::{Browse, Column, ColumnKind, Filter, Index, LINE_BYTES_MAX, Place, Table, TableError, read, write};

fn staged() -> Table {
    let columns = vec![
        Column::grouping("role", "role"),
        Column::grouping("env", "env"),
        Column::of("ram", "ram", ColumnKind::Bytes),
        Column::text("host", "host"),
    ];
    let mut table = Table::new("staged tasks", columns).unwrap();
    let rows = [
        ("t-1", ["www-data", "prod", "900", "rack1-07"]),
        ("t-2", ["ads", "prod", "12000000", "rack2-01"]),
        ("t-3", ["www-data", "devel", "1200", "rack1-07"]),
        ("t-4", ["Ads", "prod", "unknown", "rack9-30"]),
    ];
    for (key, cells) in rows {
        table.push(key, cells, [format!("task {key}"), "PENDING".to_owned()]).unwrap();
    }
    table
}

fn shown(table: &Table, filter: &str) -> Vec<String> {
    let index = Index::of(table);
    let mut browse = Browse::of(table);
    browse.type_filter(table, &index, filter);
    browse.shown().iter().map(|row| table.key(*row as usize).to_owned()).collect()
}

#[test]
fn filters_show_what_they_say() {
    let table = staged();
    for (filter, keys) in [
        ("", "t-1 t-2 t-3 t-4"),
        ("ADS", "t-2 t-4"),
        ("role:www env:prod", "t-1"),
        ("role=ads", "t-2 t-4"),
        ("role=ad", ""),
        ("!role:www", "t-2 t-4"),
        ("!rack1 prod", "t-2 t-4"),
        ("t-3", "t-3"),
        ("prod rack1", "t-1"),
        ("role:prod", ""),
        ("env:", "t-1 t-2 t-3 t-4"),
        ("nosuch:prod", ""),
        ("\"1.2 kb\"", "t-3"),
        ("12.0", "t-2"),
    ] {
        assert_eq!(shown(&table, filter).join(" "), keys, "{filter}");
    }
}

#[test]
fn numbers_sort_as_numbers_and_what_is_none_comes_last() {
    let table = staged();
    let index = Index::of(&table);
    let mut browse = Browse::of(&table);
    browse.sort_by(&table, &index, Some((2, false)));
    assert_eq!(browse.shown(), [0, 2, 1, 3]);
    browse.sort_by(&table, &index, Some((2, true)));
    assert_eq!(browse.shown(), [3, 1, 2, 0]);
    browse.sort_by(&table, &index, None);
    assert_eq!(browse.shown(), [0, 1, 2, 3]);
}

#[test]
fn a_group_is_counted_marked_and_gone_into() {
    let table = staged();
    let index = Index::of(&table);
    let mut browse = Browse::of(&table);
    browse.group_by(&index, Some(0));
    let counts: Vec<_> = browse.groups().iter().map(|group| (table.cell(group.row, 0), group.shown)).collect();
    assert_eq!(counts, [("ads", 2), ("www-data", 2)]);
    browse.mark(&index);
    assert_eq!((browse.marked(), browse.groups()[0].marked), (2, 2));
    browse.enter_group(&table, &index, 1);
    assert_eq!(browse.typed(), "role=www-data");
    assert_eq!((browse.place(0), browse.marked(), browse.marked_shown()), (Some(Place::Row(0)), 2, 0));
}

#[test]
fn marks_stay_when_the_filter_changes() {
    let table = staged();
    let index = Index::of(&table);
    let mut browse = Browse::of(&table);
    browse.type_filter(&table, &index, "env:prod");
    browse.mark_shown(&index);
    browse.type_filter(&table, &index, "");
    assert_eq!(browse.marked_rows().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(browse.common_terms(&index, &[0, 1]), Some((0, vec![1])));
    browse.move_to(2);
    browse.mark(&index);
    assert_eq!(browse.common_terms(&index, &[0, 1]), None);
    browse.invert_shown(&index);
    assert_eq!(browse.marked(), 0);
    browse.move_to(1);
    browse.mark(&index);
    browse.move_to(3);
    browse.mark_range();
    assert_eq!(browse.marked_rows().collect::<Vec<_>>(), [1, 2, 3]);
    browse.clear_marks(&index);
    assert_eq!(browse.mark_keys(&table, &index, &["t-4", "gone"]), 1);
    assert!(browse.is_marked(3));
}

#[test]
fn the_cursor_stays_on_its_row() {
    let table = staged();
    let index = Index::of(&table);
    let mut browse = Browse::of(&table);
    browse.move_to(3);
    browse.type_filter(&table, &index, "prod");
    assert_eq!(browse.place(browse.cursor()), Some(Place::Row(3)));
    browse.sort_by(&table, &index, Some((3, true)));
    assert_eq!(browse.place(browse.cursor()), Some(Place::Row(3)));
    browse.type_filter(&table, &index, "nothing of the kind");
    assert_eq!((browse.cursor(), browse.place(0)), (0, None));
    browse.mark(&index);
    browse.mark_range();
    assert_eq!(browse.marked(), 0);
}

#[test]
fn what_is_written_is_read() {
    let table = staged();
    let mut file = Vec::new();
    write(&table, &mut file).unwrap();
    assert_eq!(read(&mut BufReader::new(file.as_slice())).unwrap(), table);
    assert_eq!(table.detail(1).collect::<Vec<_>>(), ["task t-2", "PENDING"]);
}

#[test]
fn a_wrong_file_is_an_error_with_its_line() {
    let mut file = Vec::new();
    write(&staged(), &mut file).unwrap();
    let text = String::from_utf8(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let long = format!("{}\n{{\"key\": \"{}\"", lines[0], "x".repeat(LINE_BYTES_MAX));
    for (file, message) in [
        (String::new(), "line 1: not a table: the file is empty"),
        ("hello\n".to_owned(), "line 1: not a table: expected value"),
        ("{\"table\": 2, \"columns\": [], \"rows\": 0}\n".to_owned(), "form 2, where form 1 is known"),
        ("{\"table\": 1, \"columns\": [], \"rows\": 9000000}\n".to_owned(), "more than 1000000 rows"),
        (lines[..3].join("\n"), "ends after 2 of 4 rows"),
        (format!("{text}{}\n", lines[1]), "line 6: one row more than the 4"),
        (text.replace("\"cells\":[\"ads\",", "\"cells\":["), "line 3: row 2: 3 cells where there are 4 columns"),
        (text.replace("t-3", "t-\\ud800"), "line 4: "),
        (long, "line 2: longer than 1048576 bytes"),
    ] {
        let error = read(&mut file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(message), "{error} is not {message}");
    }
    let many = (0..40).map(|_| Column::text("a", "a")).collect();
    assert!(matches!(Table::new("", many), Err(TableError::Columns(40))));
}

#[test]
fn a_row_that_does_not_fit_leaves_nothing_behind() {
    let mut table = staged();
    let before = table.clone();
    assert!(table.push("t-5", ["only one"], [""; 0]).is_err());
    assert_eq!(table, before);
}

#[test]
fn units_are_shown() {
    let columns = vec![
        Column::of("size", "size", ColumnKind::Bytes),
        Column::of("at", "at", ColumnKind::Time),
        Column::of("age", "age", ColumnKind::Duration),
    ];
    let mut table = Table::new("", columns).unwrap();
    for cells in [
        ["12", "0", "59000"],
        ["999999", "1700000000000", "61000"],
        ["1000000", "nonsense", "7260000"],
        ["9223372036854775807", "9223372036854775807", "-200000000"],
    ] {
        table.push("k", cells, [""; 0]).unwrap();
    }
    let lines: Vec<_> =
        (0..4).map(|row| (0..3).map(|column| table.shown(row, column)).collect::<Vec<_>>().join(" | ")).collect();
    assert_eq!(
        lines,
        [
            "12 B | 1970-01-01 00:00:00 | 59s",
            "1.0 MB | 2023-11-14 22:13:20 | 1m 01s",
            "1.0 MB | nonsense | 2h 01m",
            "9223.4 PB | 9223372036854775807 | -2d 07h",
        ]
    );
}

/// The filter as one would write it if time did not matter.
fn naive(table: &Table, filter: &Filter) -> Vec<u32> {
    let holds = |row: usize| {
        filter.terms().iter().all(|term| {
            let cell = |column: usize| table.shown(row, column).to_lowercase().replace('\n', " ");
            let found = match term.column {
                Some(column) if term.exact => cell(column) == term.text,
                Some(column) => cell(column).contains(&term.text),
                None => {
                    (0..table.columns().len()).any(|column| cell(column).contains(&term.text))
                        || table.key(row).to_lowercase().contains(&term.text)
                }
            };
            found != term.not
        })
    };
    (0..table.len()).filter(|row| holds(*row)).map(|row| row as u32).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_filter_is_the_naive_one(
        rows in prop::collection::vec(("[abÄİ\n ]{0,4}", "[ab:=]{0,3}", "[abc]{1,2}"), 0..90),
        typed in prop::collection::vec("(!|a:|b:|b=|\"){0,2}[abciäß̇ :=\"]{0,4}", 1..4),
    ) {
        let columns = vec![Column::text("a", "a"), Column::text("b", "b")];
        let mut table = Table::new("", columns).unwrap();
        for (one, two, key) in &rows {
            table.push(key, [one, two], [""; 0]).unwrap();
        }
        let index = Index::of(&table);
        let mut browse = Browse::of(&table);
        // As it is typed, letter by letter, so that a filter that grew is tried as well as one that did not.
        let typed = typed.join(" ");
        let steps = typed.char_indices().map(|(at, letter)| &typed[..at + letter.len_utf8()]);
        for so_far in steps.chain(["", typed.as_str()]) {
            browse.type_filter(&table, &index, so_far);
            prop_assert_eq!(browse.shown(), naive(&table, browse.filter()), "{:?}", so_far);
        }
    }

    #[test]
    fn any_table_reads_back(rows in prop::collection::vec((".*", ".*", prop::collection::vec("[^\n\r]*", 0..3)), 0..20)) {
        let mut table = Table::new("a \"title\"", vec![Column::text("a", "a")]).unwrap();
        for (key, cell, detail) in &rows {
            table.push(key, [cell], detail).unwrap();
        }
        let mut file = Vec::new();
        write(&table, &mut file).unwrap();
        let back = read(&mut file.as_slice()).unwrap();
        prop_assert_eq!(back, table);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(read(&mut bytes.as_slice()));
    }
}
