//! The tutorial of the book (`docs/tutorial.md`), as it is written.

use memg_integration_tests::peer::python;
use memg_integration_tests::written::run_page;

#[test]
fn the_tutorial_s_commands_do_what_the_page_says() {
    let Some(python) = python() else { return };
    run_page("docs/tutorial.md", &python);
}
