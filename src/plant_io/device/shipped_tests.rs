//! Every shipped device file loads, and an instance of it can be planned.

use super::{Device, RawDevice, load};
use crate::image::ImageBuilder;
use crate::modbus::plan::{blocks, cost};
use std::path::Path;

#[test]
fn every_shipped_device_file_is_correct_and_reads_in_few_requests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/devices");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a text file");
        let file = load(&text, &name).unwrap_or_else(|problems| {
            let list: Vec<_> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", list.join("\n"));
        });
        let permissions = file.points.iter().filter_map(|point| Some((&point.name, point.write.as_ref()?.range)));
        let site = site(&name, &permissions.collect::<Vec<_>>());
        let raw: RawDevice = toml::from_str(&site).expect("the site text is TOML");
        let device = Device::new(&raw, &file, "device[0]", &mut ImageBuilder::default());
        let device = device.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert!(cost(&blocks(&device)).polls_per_s <= 10.0, "{name}");
        files += 1;
    }
    assert!(files >= 3);
}

fn site(name: &str, permissions: &[(&String, (f64, f64))]) -> String {
    let permission =
        |(point, (low, high)): &(&String, (f64, f64))| format!("{{ point = {point:?}, range = [{low:?}, {high:?}] }}");
    let list: Vec<_> = permissions.iter().map(permission).collect();
    let write = list.join(", ");
    format!(
        "name = \"it\"\nfile = \"{name}\"\ntransport = {{ tcp = \"127.0.0.1:502\" }}\nunit_id = 1\nwrite = [{write}]\n"
    )
}
