//! A frame as a picture: a buffer drawn as SVG, for the documentation. No fonts are embedded; every cell has
//! its place, so the columns stand whatever font the reader has.

use std::fmt::Write;

use ratatui::{
    buffer::Buffer,
    style::{Color, Modifier},
};

const CELL_WIDTH: u32 = 9;
const CELL_HEIGHT: u32 = 19;
const MARGIN: u32 = 14;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d8dee9";

/// Draws a buffer as a picture with a title for those who cannot see it.
pub fn snapshot_svg(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let width = u32::from(area.width) * CELL_WIDTH + 2 * MARGIN;
    let height = u32::from(area.height) * CELL_HEIGHT + 2 * MARGIN;
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"15\" \
         xml:space=\"preserve\">\n",
            escaped(title)
        ),
    );
    for y in area.top()..area.bottom() {
        row(&mut out, buffer, y);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

#[derive(PartialEq, Clone, Copy)]
struct Look {
    front: &'static str,
    back: Option<&'static str>,
    bold: bool,
    dim: bool,
}

/// Cells of one look are one text, stretched to the columns it takes.
fn row(out: &mut String, buffer: &Buffer, y: u16) {
    let area = buffer.area;
    let mut run: Option<(u16, Look, String)> = None;
    for x in area.left()..area.right() {
        let Some(cell) = buffer.cell((x, y)) else { continue };
        let look = look(cell.fg, cell.bg, cell.modifier);
        match &mut run {
            Some((_, known, text)) if *known == look => text.push_str(cell.symbol()),
            _ => {
                flush(out, buffer, y, run.take(), x);
                run = Some((x, look, cell.symbol().to_owned()));
            }
        }
    }
    flush(out, buffer, y, run, area.right());
}

fn flush(out: &mut String, buffer: &Buffer, y: u16, run: Option<(u16, Look, String)>, end: u16) {
    let Some((from, look, text)) = run else { return };
    let left = MARGIN + u32::from(from - buffer.area.left()) * CELL_WIDTH;
    let top = MARGIN + u32::from(y - buffer.area.top()) * CELL_HEIGHT;
    let width = u32::from(end - from) * CELL_WIDTH;
    if let Some(back) = look.back {
        put(
            out,
            format_args!(
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{CELL_HEIGHT}\" fill=\"{back}\"/>\n"
            ),
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let bold = if look.bold { " font-weight=\"bold\"" } else { "" };
    let dim = if look.dim { " opacity=\"0.65\"" } else { "" };
    put(
        out,
        format_args!(
            "<text x=\"{left}\" y=\"{}\" fill=\"{}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"{bold}{dim}>{}</text>\n",
            top + CELL_HEIGHT - 5,
            look.front,
            escaped(&text)
        ),
    );
}

fn look(front: Color, back: Color, modifier: Modifier) -> Look {
    let (front, back) = (named(front), named(back));
    let bold = modifier.contains(Modifier::BOLD);
    let dim = modifier.contains(Modifier::DIM);
    if modifier.contains(Modifier::REVERSED) {
        return Look { front: back.unwrap_or(BACKGROUND), back: Some(front.unwrap_or(FOREGROUND)), bold, dim };
    }
    Look { front: front.unwrap_or(FOREGROUND), back, bold, dim }
}

/// The colours that the theme uses.
fn named(color: Color) -> Option<&'static str> {
    match color {
        Color::Green => Some("#a3be8c"),
        Color::Yellow => Some("#ebcb8b"),
        Color::Red => Some("#e06c75"),
        Color::Cyan => Some("#7fc8d8"),
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}
