use super::*;

#[test]
fn only_the_first_hyphens_of_a_local_part_can_end_a_systems_user() {
    let all: Vec<&[u8]> = candidates(b"-a-b").collect();
    assert_eq!(all, [&b"-a-b"[..], b"-a"]);
    let many = vec![b'-'; 200];
    assert_eq!(candidates(&many).count(), SYSTEM_SPLITS);
}
