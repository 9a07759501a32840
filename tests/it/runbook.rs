//! Runbooks and inventories as files.

use firstlight::{
    inventory::{check_against, inventory_yaml, load_inventory},
    runbook::load_runbook,
};

const ROLLING: &str = include_str!("../data/runbooks/rolling-restart.yaml");
const ROLLING_INVENTORY: &str = include_str!("../data/runbooks/rolling-restart.inventory.yaml");

#[test]
fn a_runbook_of_another_kind_loads() {
    let runbook = load_runbook("rolling-restart.yaml", ROLLING.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let inventory =
        load_inventory("inventory.yaml", ROLLING_INVENTORY.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    check_against("inventory.yaml", &runbook, &inventory).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(runbook.steps().count(), 7);
    let again = load_inventory("again.yaml", inventory_yaml(&inventory).as_bytes());
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}")), inventory);
}
