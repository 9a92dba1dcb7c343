//! Finds ONNX Runtime, a shared library that is not part of this binary, and starts it once per process.
//!
//! Looked for in this order: the path in `ORT_DYLIB_PATH`; the loader's own path (`libonnxruntime.so` on Linux); the
//! `onnxruntime` wheel of a Python, in the virtual environment of `VIRTUAL_ENV`, in the prefix of each `python3` on `PATH`,
//! and in the usual places of the system. The first that loads and is new enough is used. A library that was named in
//! `ORT_DYLIB_PATH` and does not load is an error: something else in its place would be a surprise.
//!
//! The `ort` crate would look for the library by itself at its first use, and would panic if there were none. So nothing
//! of it is touched before [`environment`] has returned.

use ort::LoadDynamicError;
use ort::environment::Environment;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why there is no ONNX Runtime. The caller falls back to another runtime or a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "ONNX Runtime 1.17 or newer is needed and was not found. Get it by `pip install onnxruntime` (found through \
     VIRTUAL_ENV or the python3 on PATH), or from https://github.com/microsoft/onnxruntime/releases and set \
     ORT_DYLIB_PATH to its libonnxruntime.so; or use the runtime candle or rust, which need no library. Tried: {}",
    tried.join("; ")
)]
pub struct NoLibrary {
    /// Each place with what happened there.
    pub tried: Vec<String>,
}

/// The process's only environment; it lives as long as the process.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// ONNX Runtime, started at the first call. A failed call can be repeated, for example after an installation.
///
/// # Errors
/// There is no usable library; says what was tried and how to get one.
pub fn environment() -> Result<Environment, NoLibrary> {
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = slot.as_ref() {
        return Ok(environment.clone());
    }
    let environment = start(candidates(&Places::of_this_process()))?;
    *slot = Some(environment.clone());
    Ok(environment)
}

/// Loads the first candidate that works.
fn start(candidates: Vec<PathBuf>) -> Result<Environment, NoLibrary> {
    let mut tried = Vec::new();
    for path in candidates {
        match load(&path) {
            Ok(environment) => return Ok(environment),
            Err(reason) => tried.push(reason),
        }
    }
    Err(NoLibrary { tried })
}

fn load(path: &Path) -> Result<Environment, String> {
    // Telemetry exists only in Microsoft's Windows builds; a plant's gateway sends none.
    let builder = ort::init_from(path).map_err(|error| in_full(&error))?;
    builder.with_name("memg-gateway").with_telemetry(false).build().map_err(|e| format!("{}: {e}", path.display()))
}

/// With the loader's own words: they name the library that is missing, which may be another one that this one needs.
fn in_full(error: &LoadDynamicError) -> String {
    match error {
        LoadDynamicError::Dlopen { error: cause, .. } => {
            let words = std::error::Error::source(cause).map(|source| format!(": {source}"));
            format!("{error}{}", words.unwrap_or_default())
        }
        other => other.to_string(),
    }
}

/// Where to look.
#[derive(Debug, Clone, Default)]
struct Places {
    /// `ORT_DYLIB_PATH`.
    named: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    virtual_env: Option<PathBuf>,
    /// Folders of `PATH`.
    path: Vec<PathBuf>,
    /// Prefixes of Pythons of the system.
    prefixes: Vec<PathBuf>,
}

impl Places {
    fn of_this_process() -> Self {
        let folder = |key: &str| env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut prefixes = vec![PathBuf::from("/usr/local"), PathBuf::from("/usr")];
        prefixes.extend(folder("HOME").map(|home| home.join(".local")));
        Self {
            named: folder("ORT_DYLIB_PATH"),
            virtual_env: folder("VIRTUAL_ENV"),
            path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
            prefixes,
        }
    }
}

/// Paths to try, best first.
fn candidates(places: &Places) -> Vec<PathBuf> {
    if let Some(path) = &places.named {
        return vec![path.clone()];
    }
    let loader = format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let pythons = places.path.iter().filter(|folder| folder.join("python3").exists());
    let prefixes = places.virtual_env.iter().cloned();
    let prefixes = prefixes.chain(pythons.filter_map(|folder| folder.parent().map(Path::to_owned)));
    let mut list = vec![PathBuf::from(loader)];
    for prefix in prefixes.chain(places.prefixes.iter().cloned()) {
        for library in wheel_libraries(&prefix) {
            if !list.contains(&library) {
                list.push(library);
            }
        }
    }
    list
}

/// `<prefix>/lib/python3.*/{site,dist}-packages/onnxruntime/capi/libonnxruntime*`, newest Python first.
fn wheel_libraries(prefix: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for lib in ["lib", "lib64", "Lib"].map(|name| prefix.join(name)) {
        let pythons = entries(&lib).into_iter().rev().filter(|path| name_of(path).starts_with("python3"));
        for packages in
            pythons.flat_map(|p| [p.join("site-packages"), p.join("dist-packages")]).chain([lib.join("site-packages")])
        {
            found.extend(entries(&packages.join("onnxruntime/capi")).into_iter().filter(|path| is_library(path)));
        }
    }
    found
}

/// `libonnxruntime.so.1.20.1`, `libonnxruntime.1.20.1.dylib`, `onnxruntime.dll`; not `libonnxruntime_providers_shared.so`.
fn is_library(path: &Path) -> bool {
    let name = name_of(path);
    let stem = name.strip_prefix(env::consts::DLL_PREFIX).and_then(|rest| rest.strip_prefix("onnxruntime."));
    stem.is_some_and(|rest| format!(".{rest}").contains(env::consts::DLL_SUFFIX))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A folder's entries by name; none if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    list.sort();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prefix with a wheel whose library is no library.
    fn prefix_with_wheel() -> (tempfile::TempDir, PathBuf) {
        let prefix = tempfile::tempdir().unwrap();
        let capi = prefix.path().join("lib/python3.11/site-packages/onnxruntime/capi");
        fs::create_dir_all(&capi).unwrap();
        let (dll_prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        fs::write(capi.join(format!("{dll_prefix}onnxruntime_providers_shared{suffix}")), "no library").unwrap();
        let library = capi.join(format!("{dll_prefix}onnxruntime{suffix}"));
        fs::write(&library, "no library").unwrap();
        (prefix, library)
    }

    #[test]
    fn the_wheel_of_the_virtual_environment_comes_after_the_loaders_path() {
        let (prefix, library) = prefix_with_wheel();
        let places = Places { virtual_env: Some(prefix.path().to_owned()), ..Places::default() };
        let list = candidates(&places);
        assert_eq!(list.len(), 2);
        assert!(list[0].is_relative() && list[1] == library, "{list:?}");
    }

    #[test]
    fn the_wheel_of_a_python_on_the_path_is_found() {
        let (prefix, library) = prefix_with_wheel();
        fs::create_dir(prefix.path().join("bin")).unwrap();
        fs::write(prefix.path().join("bin/python3"), "").unwrap();
        let places = Places { path: vec![prefix.path().join("bin")], ..Places::default() };
        assert!(candidates(&places).contains(&library));
    }

    #[test]
    fn a_named_library_is_the_only_candidate() {
        let (prefix, _) = prefix_with_wheel();
        let named = prefix.path().join("mine.so");
        let places =
            Places { named: Some(named.clone()), virtual_env: Some(prefix.path().to_owned()), ..Places::default() };
        assert_eq!(candidates(&places), vec![named]);
    }

    #[test]
    fn missing_or_broken_libraries_are_an_error_that_says_how_to_get_one() {
        let (prefix, broken) = prefix_with_wheel();
        let error = start(vec![prefix.path().join("nowhere.so"), broken]).err().unwrap();
        let text = error.to_string();
        assert_eq!(error.tried.len(), 2);
        // The last two are the loader's own words.
        let places = ["pip install onnxruntime", "ORT_DYLIB_PATH", "candle", "nowhere.so", "capi"];
        for words in
            places.into_iter().chain(["No such file", "too short"].into_iter().filter(|_| cfg!(target_os = "linux")))
        {
            assert!(text.contains(words), "{words:?} is missing in: {text}");
        }
    }
}
