//! The `[plant]` tables of a configuration: a site's limits, in the configuration itself or in a site file ([`memg_site`]).

use super::Loader;
use super::control::Site;
use memg_core::equipment::Plant;
use memg_learn::folder;
use memg_plant_io::problem::Problem;
use memg_plant_io::sources::Sources;
use memg_site::Site as SiteFile;
use std::path::Path;

/// What a site file states.
#[derive(Debug, Clone, PartialEq)]
pub struct SitePlant {
    /// Ratings and limits, checked.
    pub plant: Plant,
    /// PV and wind one by one.
    pub sources: Sources,
}

impl From<SiteFile> for SitePlant {
    fn from(SiteFile { plant, pv_kw, wind_kw }: SiteFile) -> Self {
        Self { plant, sources: Sources { pv_kw, wind_kw } }
    }
}

/// The validated plant; problems are added to the loader's with the file they are in.
///
/// `file` is the site's; `None` inside: it names none, `None` outside: nobody knows, because [site] is wrong.
#[expect(clippy::option_option, reason = "the outer None says 'problem already reported', the inner one 'no file'")]
fn plant(loader: &mut Loader, file: Option<Option<String>>) -> Option<SitePlant> {
    let mut problems = Vec::new();
    let inline = loader.layers.take("plant");
    let (file, known) = (file.clone().flatten(), file.is_some());
    let plant = match (inline, file) {
        (Some(_), Some(_)) => {
            problems.push(Problem::new("plant", "stands beside site.plant_file: expected one of the two"));
            None
        }
        (Some(table), None) => memg_site::parameters(table, &mut problems).map(SitePlant::from),
        (None, Some(file)) => return from_file(loader, &file),
        (None, None) if !known => None,
        (None, None) => {
            problems.push(Problem::new(
                "plant",
                "missing: a plant's limits have no defaults. Expected [plant.battery], [plant.chp], … here, or \
                 site.plant_file = \"sites/<site>.toml\"",
            ));
            None
        }
    };
    loader.problems.extend(problems);
    plant
}

/// The plant with what `gateway learn` found of it; where the site file is off by more than the interval is a warning.
#[expect(clippy::option_option, reason = "as of the plant that it is made of")]
pub(super) fn believed(loader: &mut Loader, named: Option<&Site>, file: Option<Option<String>>) -> Option<SitePlant> {
    let site = plant(loader, file)?;
    let learned = named.and_then(|named| named.plant_learned.as_ref());
    let Some(dir) = learned.map(|dir| loader.folder.join(dir)) else { return Some(site) };
    Some(learned_of(loader, &dir, site))
}

/// The same of a folder.
fn learned_of(loader: &mut Loader, dir: &Path, site: SitePlant) -> SitePlant {
    let (plant, file) = match folder::believing(&site.plant, dir) {
        Ok(found) => found,
        Err(error) => {
            loader.problems.push(Problem::new("site.plant_learned", error.to_string()));
            return site;
        }
    };
    for (parameter, unit, stated, found) in file.off(site.plant.stated()) {
        let which = if unit > 1 { format!(" of unit {unit}") } else { String::new() };
        let message = format!(
            "{stated} in the site file{which}, but {:.1} days of journals say {:.4} ({:.4} to {:.4})",
            file.days, found.value, found.low, found.high
        );
        loader.warnings.push(Problem::new(format!("plant.{}", parameter.name()), message));
    }
    SitePlant { plant, ..site }
}

fn from_file(loader: &mut Loader, file: &str) -> Option<SitePlant> {
    let path = loader.folder.join(file);
    read_site(&path)
        .map_err(|problems| {
            let here = |p: Problem| if p.file.is_empty() { Problem { key: "site.plant_file".into(), ..p } } else { p };
            loader.problems.extend(problems.into_iter().map(here));
        })
        .ok()
}

/// Reads a site file: the `[plant]` tables alone.
///
/// # Errors
/// Every problem, with the site file's name and lines.
pub fn read_site(path: &Path) -> Result<SitePlant, Vec<Problem>> {
    memg_site::read_site(path).map(SitePlant::from)
}
