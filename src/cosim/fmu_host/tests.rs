//! Hostile and damaged files, lenient descriptions, maps that do not fit.

use super::*;
use memg_core::equipment::{Each, PlantParameters};
use memg_fmu::model::Kind;
use memg_fmu_host::Type;
use std::io::Write;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const MINIMAL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="2.0.4" modelName="Site" guid="{1}" vendorStuff="x">
  <CoSimulation modelIdentifier="Site"><SourceFiles/></CoSimulation>
  <ModelVariables>
    <ScalarVariable name="Load.P" valueReference="1" causality="output"><Real unit="W"/></ScalarVariable>
    <ScalarVariable name="soc" valueReference="2" causality="output"><Real/></ScalarVariable>
    <ScalarVariable name="p_pv" valueReference="3" causality="output"><Real/></ScalarVariable>
    <ScalarVariable name="Bat.P" valueReference="4" causality="input"><Real/></ScalarVariable>
    <ScalarVariable name="Name" valueReference="5" causality="parameter"><String/></ScalarVariable>
    <ScalarVariable name="Switch" valueReference="6"><Boolean/></ScalarVariable>
  </ModelVariables>
  <VendorAnnotations><Tool name="x"><Anything/></Tool></VendorAnnotations>
</fmiModelDescription>"#;

/// A file with these entries.
fn file(entries: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
    let mut out = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        out.start_file(*name, SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    written(&out.finish().unwrap().into_inner())
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn refused(file: &tempfile::NamedTempFile, words: &str) {
    let found = ForeignFmu::open(file.path()).map(|_| ()).unwrap_err().to_string();
    assert!(found.contains(words), "{words:?} is not in {found:?}");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in ["../evil", "resources/../../evil", "/etc/evil", "resources\\..\\evil", "C:/evil", "resources/./../x"] {
        refused(&file(&[("modelDescription.xml", MINIMAL.as_bytes()), (name, b"x")]), "is not a name inside the FMU");
    }
}

#[test]
fn links_and_duplicates_are_refused() {
    let mut out = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    out.add_symlink("resources/link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    refused(&written(&out.finish().unwrap().into_inner()), "is a link");

    let mut out = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["resources/aa", "resources/ab"] {
        out.start_file(name, SimpleFileOptions::default()).unwrap();
    }
    let mut bytes = out.finish().unwrap().into_inner();
    for index in 0..bytes.len() - 12 {
        if bytes[index..].starts_with(b"resources/ab") {
            bytes[index + 11] = b'a';
        }
    }
    let outcome = ForeignFmu::open(written(&bytes).path()).map(|_| ());
    assert!(outcome.is_err(), "one of two files of the same name was taken");
}

#[test]
fn bombs_and_damaged_files_are_refused() {
    refused(&file(&[("modelDescription.xml", &vec![b' '; 40 << 20])]), "larger than the allowed");
    let whole = std::fs::read(file(&[("modelDescription.xml", MINIMAL.as_bytes())]).path()).unwrap();
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        refused(&written(&whole[..length]), "not a readable FMU");
    }
    let mut flipped = whole.clone();
    flipped[60] ^= 0x55;
    assert!(ForeignFmu::open(written(&flipped).path()).is_err());
    refused(&file(&[("readme.txt", b"x")]), "the file is missing");
}

#[test]
fn descriptions_that_cannot_be_used_say_why() {
    let deep = "<a>".repeat(100_000);
    let entities = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><fmiModelDescription fmiVersion="2.0"/>"#;
    for (xml, words) in [
        ("plain text", "not readable XML"),
        (deep.as_str(), "not readable XML"),
        (entities, "not readable XML"),
        ("<fmiModelDescription/>", "has no fmiVersion"),
        (&MINIMAL.replace("2.0.4", "1.0"), "expected 2.x or 3.x"),
        (&MINIMAL.replace("CoSimulation", "ModelExchange"), "model exchange only"),
        (&MINIMAL.replace("modelIdentifier=\"Site\"", "modelIdentifier=\"../Site\""), "C identifier"),
        (&MINIMAL.replace("valueReference=\"2\"", "valueReference=\"-2\""), "soc: valueReference"),
        (&MINIMAL.replace(" guid=\"{1}\"", ""), "has no guid"),
    ] {
        refused(&file(&[("modelDescription.xml", xml.as_bytes())]), words);
    }
    let fmu = ForeignFmu::open(file(&[("modelDescription.xml", MINIMAL.as_bytes())]).path()).unwrap();
    let missing = fmu.instantiate("x").map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("no binary for this platform"), "{missing}");
}

#[test]
fn our_own_descriptions_are_read_back() {
    for kind in Kind::ALL {
        for fmi in [Fmi::Two, Fmi::Three] {
            let rows = kind.variables(&PlantParameters::reference(), "rule");
            let read = ModelDescription::parse(&memg_fmu::describe::model_description(fmi, kind, &rows)).unwrap();
            assert_eq!((read.fmi, read.identifier.as_str(), read.step_size), (fmi, kind.identifier(), Some(900.0)));
            for row in &rows {
                let variable = read.find(&row.name).unwrap();
                assert_eq!(variable.reference, row.reference);
                assert_ne!(variable.content, Content::Other, "{}", row.name);
            }
        }
    }
}

fn wiring(map: &str) -> Result<Wiring, String> {
    let plant = ModelDescription::parse(MINIMAL).unwrap();
    let controller = Kind::Ems.variables(&PlantParameters::reference(), "rule");
    let map = toml::from_str(map).map_err(|error| error.to_string())?;
    Wiring::new(&map, &plant, &controller).map_err(|error| error.to_string())
}

const MAP: &str = r#"
[measurements]
p_load = { from = "Load.P", scale = 0.001 }
p_wind = { value = 0.0 }
q_heat = { value = 0.0 }
[set_points]
p_battery_set = { to = "Bat.P", scale = -1000.0 }
[parameters]
Name = "west"
Switch = true
"#;

#[test]
fn a_map_adds_what_names_do_not_tell() {
    let wiring = wiring(MAP).unwrap();
    let names: Vec<_> = wiring.measurements.iter().map(|link| (link.controller.as_str(), link.scale)).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.contains(&("p_load", 0.001)) && names.contains(&("soc", 1.0)));
    assert_eq!((wiring.set_points.len(), wiring.set_points[0].scale), (1, -1000.0));
    assert!(wiring.settings.contains(&("Switch".to_owned(), Setting::Number(Type::Boolean, 6, 1.0))));
}

#[test]
fn a_map_and_a_plant_may_call_measurements_as_mqtt_does() {
    let by_signal = wiring(&MAP.replace("p_load =", "electric_load_kw =")).unwrap();
    assert_eq!(by_signal, wiring(MAP).unwrap());
    let plant = ModelDescription::parse(&MINIMAL.replace("\"p_pv\"", "\"pv_available_kw\"")).unwrap();
    let controller = Kind::Ems.variables(&PlantParameters::reference(), "rule");
    let found = Wiring::new(&toml::from_str(MAP).unwrap(), &plant, &controller).unwrap();
    assert!(found.measurements.iter().any(|link| link.controller == "p_pv" && link.plant == "pv_available_kw"));
    let twice = wiring(&MAP.replace("p_wind =", "electric_load_kw = { value = 1.0 }\np_wind =")).unwrap_err();
    assert!(twice.contains("p_load is there twice, under two names"), "{twice}");
}

#[test]
fn an_input_of_the_plant_measures_nothing() {
    let controller = Kind::Ems.variables(&PlantParameters::reference(), "rule");
    let xml = memg_fmu::describe::model_description(Fmi::Two, Kind::Ems, &controller);
    let itself = ModelDescription::parse(&xml).unwrap();
    let found = Wiring::new(&MapFile::default(), &itself, &controller).unwrap_err().to_string();
    assert!(found.contains("p_pv: the plant has no such output"), "{found}");
}

#[test]
fn a_foreign_plant_has_to_tell_the_state_of_charge_of_each_battery_that_the_site_has() {
    let mut site = PlantParameters::reference();
    site.battery = Each::new(&[site.battery_of_all(); 2]).unwrap();
    let plant = ModelDescription::parse(MINIMAL).unwrap();
    let connect = |map: &str| Wiring::new(&toml::from_str(map).unwrap(), &plant, &Kind::Ems.variables(&site, "rule"));
    let found = connect(MAP).unwrap_err().to_string();
    assert!(found.contains("soc_2: the plant has no such output"), "{found}");
    let second = "p_wind = { value = 0.0 }\nsoc_2 = { from = \"soc\" }";
    let wiring = connect(&MAP.replace("p_wind = { value = 0.0 }", second)).unwrap();
    assert!(wiring.measurements.iter().any(|link| link.controller == "soc_2"));
}

#[test]
fn every_problem_of_a_map_is_named() {
    let found = wiring("").unwrap_err();
    for words in ["p_wind: the plant has no such output", "p_load", "q_heat", "no set-point reaches the plant"] {
        assert!(found.contains(words), "{words:?} is not in {found:?}");
    }
    for (old, new, words) in [
        ("Load.P", "Load.Q", "no variable \"Load.Q\""),
        ("Bat.P", "soc", "not an input of the plant"),
        ("p_battery_set", "p_batery_set", "p_batery_set is not an output of the controller"),
        ("p_wind = { value = 0.0 }", "p_wind = { }", "expected either from or value"),
        ("p_wind = {", "wind = {", "wind is not an input of the controller"),
        ("Switch = true", "Switch = \"on\"", "Switch"),
        ("Load.P", "Name", "not a single number"),
        ("scale = 0.001", "factor = 0.001", "unknown field"),
    ] {
        let found = wiring(&MAP.replace(old, new)).unwrap_err();
        assert!(found.contains(words), "{words:?} is not in {found:?}");
    }
}
