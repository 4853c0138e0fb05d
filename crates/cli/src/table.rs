//! Columns that align: two spaces between them, none at a line's end.

use anstyle::Style;

use crate::output::styled;

/// One cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    /// A figure, which stands at the right of its column.
    pub(crate) fn figure(text: impl Into<String>) -> Self {
        Cell { text: text.into(), right: true, ..Cell::default() }
    }

    /// The cell in a style.
    pub(crate) fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// The text alone, so wide at least.
    pub(crate) fn plain(&self, width: usize) -> String {
        if self.right { format!("{:>width$}", self.text) } else { self.text.clone() }
    }

    fn shown(&self, width: usize) -> String {
        let gap = " ".repeat(width.saturating_sub(self.width()));
        let text = match self.style == Style::new() || self.text.is_empty() {
            true => self.text.clone(),
            false => styled(self.style, &self.text),
        };
        if self.right { gap + &text } else { text + &gap }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), ..Cell::default() }
    }
}

/// One line of cells.
pub(crate) type Row = Vec<Cell>;

/// A row from texts and cells.
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$($crate::table::Cell::from($cell)),*] };
}
pub(crate) use row;

impl Cell {
    /// Text that people read as a heading.
    fn heading(text: &str) -> Self {
        Cell::from(text).style(crate::output::QUIET)
    }
}

/// Aligned lines.
pub(crate) fn lines(rows: &[Row]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // What stands last in its row needs no room.
    let width = |column: usize| {
        rows.iter().filter(|row| row.len() > column + 1).map(|row| row[column].width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &Row, widths: &[usize]) -> String {
    let last = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
    let cells = row.iter().take(last).enumerate().map(|(column, cell)| {
        let is_last = column + 1 == last;
        cell.shown(if is_last && !cell.right { 0 } else { widths[column] })
    });
    cells.collect::<Vec<_>>().join("  ")
}

/// A table with a heading; `nothing` is said when there are no rows.
pub(crate) fn table(heading: &[&str], rows: Vec<Row>, nothing: &str) -> String {
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut all = vec![heading.iter().map(|text| Cell::heading(text)).collect::<Row>()];
    // A heading stands where its column's figures stand.
    for (column, cell) in all[0].iter_mut().enumerate() {
        cell.right = rows.iter().any(|row| row.get(column).is_some_and(|cell| cell.right));
    }
    all.extend(rows);
    lines(&all).join("\n")
}
