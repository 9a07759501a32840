//! A page of lines: built from texts, wrapped to a width, drawn from a line on. Everything that is drawn as
//! text comes through here and so through [`Theme::clean`].

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    model::Item,
    theme::{Role, Theme},
};

/// Most lines of a page: what is longer is cut, and says so.
const LINES_MAX: usize = 5_000;

/// A page.
#[derive(Debug)]
pub struct Doc {
    theme: Theme,
    width: usize,
    marks: bool,
    selected: Option<Item>,
    lines: Vec<Line<'static>>,
    /// The first and the last line of what is selected.
    span: Option<(usize, usize)>,
}

impl Doc {
    /// An empty page on which nothing can be selected.
    pub fn new(theme: Theme, width: u16) -> Self {
        Self { theme, width: usize::from(width), marks: false, selected: None, lines: Vec::new(), span: None }
    }

    /// An empty page on which something can be selected: two columns are kept for the mark.
    pub fn selecting(theme: Theme, width: u16, selected: Option<Item>) -> Self {
        Self { marks: true, selected, ..Self::new(theme, width) }
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Its width in columns.
    pub fn width(&self) -> u16 {
        self.width as u16
    }

    /// Adds the first lines of another page; says so where there are more.
    pub fn take(&mut self, other: Self, most: usize) {
        let more = other.lines.len() > most;
        self.lines.extend(other.lines.into_iter().take(most.saturating_sub(usize::from(more))));
        if more {
            self.text(Role::Dim, "and more, in the evidence of the step");
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines of what is selected.
    pub fn selected_lines(&self) -> Option<(usize, usize)> {
        self.span
    }

    /// An empty line, unless the line before is one or there is none.
    pub fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }

    /// A paragraph.
    pub fn text(&mut self, role: Role, text: &str) {
        self.put(None, ("", Role::Plain), (text, role));
    }

    /// A paragraph with a label that hangs out to the left.
    pub fn labelled(&mut self, label: &str, role: Role, text: &str) {
        self.put(None, (label, Role::Dim), (text, role));
    }

    /// A paragraph with a mark, such as a symbol, and the item that it stands for.
    pub fn put(&mut self, item: Option<&Item>, mark: (&str, Role), text: (&str, Role)) {
        if self.lines.len() >= LINES_MAX {
            return;
        }
        let begins = self.lines.len();
        let selected = item.is_some() && item == self.selected.as_ref();
        let label = self.theme.clean(mark.0).replace('\n', " ");
        let hang = label.width().min(self.width / 2);
        let room = self.width.saturating_sub(hang + self.margin()).max(1);
        let text_style = self.theme.style(text.1);
        for (at, piece) in wrap(&self.theme.clean(text.0), room).into_iter().enumerate() {
            let mut spans = self.margin_spans(selected && at == 0);
            if at == 0 {
                let style = self.theme.style(mark.1);
                let alone = selected && text.0.is_empty();
                let style = if alone { style.patch(self.theme.style(Role::Selected)) } else { style };
                spans.push(Span::styled(label.clone(), style));
            } else {
                spans.push(Span::raw(" ".repeat(hang)));
            }
            let style =
                if selected && at == 0 { text_style.patch(self.theme.style(Role::Selected)) } else { text_style };
            spans.push(Span::styled(piece, style));
            self.lines.push(Line::from(spans));
        }
        if selected {
            self.span = Some((begins, self.lines.len().saturating_sub(1)));
        }
    }

    /// Draws the page from a line on; returns the line it really began with.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, from: usize) -> usize {
        let from = from.min(self.lines.len().saturating_sub(usize::from(area.height)));
        for (line, y) in self.lines.iter().skip(from).zip(area.y..area.bottom()) {
            buf.set_line(area.x, y, line, area.width);
        }
        from
    }

    /// The page as text, for the record.
    pub fn plain(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect();
        lines.join("\n")
    }

    fn margin(&self) -> usize {
        if self.marks { 2 } else { 0 }
    }

    fn margin_spans(&self, selected: bool) -> Vec<Span<'static>> {
        match (self.marks, selected) {
            (false, _) => Vec::new(),
            (true, false) => vec![Span::raw("  ")],
            (true, true) => {
                vec![Span::styled(format!("{} ", self.theme.cursor()), self.theme.style(Role::Strong))]
            }
        }
    }
}

/// Where a page begins so that a range of its lines is seen.
pub fn scroll_to(from: usize, height: usize, range: (usize, usize)) -> usize {
    let (first, last) = range;
    let low = (last + 1).saturating_sub(height);
    if from > first { first } else { from.max(low.min(first)) }
}

/// Breaks a clean text into lines of at most `width` columns, at spaces where it can.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        wrap_paragraph(paragraph, width.max(1), &mut lines);
    }
    lines
}

fn wrap_paragraph(text: &str, width: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let trimmed = word.trim_end_matches(' ');
        let needs = trimmed.width();
        if used > 0 && used + needs > width {
            lines.push(line.trim_end().to_owned());
            line = String::new();
            used = 0;
        }
        if needs <= width {
            line.push_str(word);
            used += word.width();
            continue;
        }
        for char in word.chars() {
            let columns = char.width().unwrap_or(0);
            if used > 0 && used + columns > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(char);
            used += columns;
        }
    }
    lines.push(line.trim_end().to_owned());
}

/// Cuts a clean text to a width, with a mark where it was cut.
pub fn cut(theme: Theme, text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for char in text.chars() {
        let columns = char.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        out.push(char);
        used += columns;
    }
    if width > 0 {
        out.push(theme.cut());
    }
    out
}
