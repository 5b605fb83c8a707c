//! The three numbers of the README, in the paragraph that begins with [`BEGINNING`].

use std::fs;

use anyhow::{Context, Result};

use crate::bench::page::Figures;
use crate::bench::page::format::{instructions, megabytes, milliseconds};
use crate::bench::parts::PartName;
use crate::bench::program::{Operation, Program};
use crate::workspace::Workspace;

const BEGINNING: &str = "A read takes ";

pub(super) fn update(workspace: &Workspace, figures: &Figures) -> Result<()> {
    let file = workspace.root().join("README.md");
    let readme = fs::read_to_string(&file)?;
    let updated = with_paragraph(&readme, &paragraph(figures));
    fs::write(
        file,
        updated.context("the README has no paragraph of the benchmarks")?,
    )?;
    Ok(())
}

fn paragraph(figures: &Figures) -> String {
    let read = |program| instructions(figures.instructions(program, Operation::Read));
    let start = |program, way: &str| {
        milliseconds(figures.of(PartName::Start, program, &format!("{way} init and read ms")))
    };
    let size = |program: &str| megabytes(figures.get(PartName::Size, program, "binary"));
    let bare = Program::Bare;
    format!(
        "{BEGINNING}**{}** instructions (the SDK by hand: {}), a cold start with its first read\n\
         **{}** of CPU ({}), and the first program has **{}** ({}). [Benchmarks](docs/benchmarks.md) has more.",
        read(Program::Ours),
        read(bare),
        start(Program::Ours, "tls-few-roots"),
        start(bare, "tls"),
        size("counter"),
        size(bare.key()),
    )
}

/// Returns the text with another paragraph in the place of the old one.
fn with_paragraph(text: &str, paragraph: &str) -> Option<String> {
    let begin = text.find(&format!("\n{BEGINNING}"))? + 1;
    let length = text[begin..].find("\n\n")?;
    Some(format!(
        "{}{paragraph}{}",
        &text[..begin],
        &text[begin + length..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraph_is_replaced_and_nothing_else() {
        let text = "# Title\n\nA read takes 1\nor 2.\n\n## More\n";
        let updated = with_paragraph(text, "A read takes 3.").unwrap();
        assert_eq!(updated, "# Title\n\nA read takes 3.\n\n## More\n");
        assert_eq!(with_paragraph("# Title\n", "A read takes 3."), None);
    }
}
