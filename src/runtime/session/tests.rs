use super::super::testing;
use super::*;

#[test]
fn every_provider_that_probe_lists_tells_whether_it_starts() {
    testing::library();
    let statuses = super::super::providers::probe().unwrap();
    assert_eq!(statuses[0].device, Device::Cpu);
    assert!(statuses[0].compiled_in);
    assert_eq!(statuses[0].why_not, None);
    assert!(
        statuses
            .iter()
            .all(|status| status.compiled_in || status.why_not.is_some())
    );
}
