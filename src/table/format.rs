//! The form on disk: JSON lines. The first says what the table is, its columns and how many rows follow; each
//! other line is a row, `{"key": …, "cells": […], "detail": […]}`.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use super::{COLUMNS_MAX, Column, ROWS_MAX, Table, TableError};

/// Longest line: a task with every event, resource and constraint is a few kilobytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// The form that is written here and the only one that is read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    table: u32,
    #[serde(default)]
    title: String,
    columns: Vec<Column>,
    rows: usize,
}

#[derive(Serialize)]
struct RowOut<'a> {
    key: &'a str,
    cells: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detail: Vec<&'a str>,
}

#[derive(Deserialize)]
struct RowIn<'a> {
    #[serde(borrow)]
    key: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    cells: Vec<Piece<'a>>,
    #[serde(borrow, default)]
    detail: Vec<Piece<'a>>,
}

/// A text that is borrowed where it holds no escape.
#[derive(Deserialize)]
struct Piece<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

impl AsRef<str> for Piece<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Writes a table.
pub fn write(table: &Table, out: &mut impl Write) -> Result<(), TableError> {
    let head =
        Head { table: VERSION, title: table.title().to_owned(), columns: table.columns().to_vec(), rows: table.len() };
    line(&head, out)?;
    for row in 0..table.len() {
        line(&RowOut { key: table.key(row), cells: table.cells(row), detail: table.detail(row).collect() }, out)?;
    }
    Ok(())
}

fn line(value: &impl Serialize, out: &mut impl Write) -> Result<(), TableError> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// Reads a table. What is longer than the limits, cut off or not a table is an error that names the line.
pub fn read(from: &mut impl BufRead) -> Result<Table, TableError> {
    let mut buffer = Vec::new();
    if !next_line(from, &mut buffer, 1)? {
        return Err(TableError::NotATable("the file is empty".to_owned()));
    }
    let head: Head = serde_json::from_slice(&buffer).map_err(|error| TableError::NotATable(error.to_string()))?;
    if head.table != VERSION {
        return Err(TableError::NotATable(format!("form {}, where form {VERSION} is known", head.table)));
    }
    if head.columns.len() > COLUMNS_MAX {
        return Err(TableError::Columns(head.columns.len()));
    }
    if head.rows > ROWS_MAX {
        return Err(TableError::Rows);
    }
    let mut table = Table::new(&head.title, head.columns)?;
    let mut number = 1;
    loop {
        number += 1;
        if !next_line(from, &mut buffer, number)? {
            break;
        }
        let row: RowIn<'_> = serde_json::from_slice(&buffer)
            .map_err(|error| TableError::Malformed { line: number, why: error.to_string() })?;
        if table.len() >= head.rows {
            let why = format!("one row more than the {} that were promised", head.rows);
            return Err(TableError::Malformed { line: number, why });
        }
        table
            .push(&row.key, &row.cells, &row.detail)
            .map_err(|error| TableError::Malformed { line: number, why: error.to_string() })?;
    }
    if table.len() < head.rows {
        return Err(TableError::Short { found: table.len(), wanted: head.rows });
    }
    Ok(table)
}

/// Reads a line without its end; false at the end of the file.
fn next_line(from: &mut impl BufRead, buffer: &mut Vec<u8>, number: usize) -> Result<bool, TableError> {
    buffer.clear();
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Ok(!buffer.is_empty());
        }
        let (taken, ended) = match memchr::memchr(b'\n', piece) {
            Some(end) => (end + 1, true),
            None => (piece.len(), false),
        };
        let text = piece.get(..taken - usize::from(ended)).unwrap_or_default();
        if buffer.len() + text.len() > LINE_BYTES_MAX {
            return Err(TableError::Line { line: number });
        }
        buffer.extend_from_slice(text);
        from.consume(taken);
        if ended {
            return Ok(true);
        }
    }
}
