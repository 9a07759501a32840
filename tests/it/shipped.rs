//! Every shipped runbook loads and passes the safety lint.

use firstlight::runbook;

#[test]
fn the_shipped_runbook_loads() {
    let name = "runbooks/aurora-restore-from-backup.yaml";
    let bytes =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/aurora-restore-from-backup.yaml")).unwrap();
    if let Err(problems) = runbook::load_runbook(name, &bytes) {
        panic!("{problems}");
    }
}
