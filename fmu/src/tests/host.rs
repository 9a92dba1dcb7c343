//! A host for tests: one interface over the functions of both standards.

use super::{raw_text, uri};
use crate::abi::*;
use crate::describe::{Fmi, TIME_REFERENCE};
use crate::fault::Status;
use crate::model::Kind;
use crate::variable::Variable;
use memg_core::equipment::PlantParameters;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;

pub const BOTH: [Fmi; 2] = [Fmi::Two, Fmi::Three];

thread_local! {
    /// Log lines of this thread's instances.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The log lines since the last call.
pub fn log_lines() -> String {
    LINES.with_borrow_mut(std::mem::take).join("\n")
}

/// What a host prints of a line for `printf`, with no arguments.
unsafe extern "C" fn logger2(_: *mut c_void, _: *const c_char, _: c_int, _: *const c_char, format: *const c_char) {
    // SAFETY: a string of the instance.
    let format = unsafe { raw_text(format) };
    assert!(!format.replace("%%", "").contains('%'), "a conversion in {format:?}");
    LINES.with_borrow_mut(|lines| lines.push(format.replace("%%", "%").replace("##", "#")));
}

unsafe extern "C" fn logger3(_: *mut c_void, _: c_int, _: *const c_char, message: *const c_char) {
    // SAFETY: a string of the instance.
    LINES.with_borrow_mut(|lines| lines.push(unsafe { raw_text(message) }));
}

/// The plant that is packed; the reference plant where none is.
fn plant_in(folder: &Path) -> PlantParameters {
    let packed = std::fs::read(folder.join("limits.json"));
    packed.map_or_else(|_| PlantParameters::reference(), |bytes| serde_json::from_slice(&bytes).unwrap())
}

/// An instance in the hands of a host.
pub struct Host {
    pub fmi: Fmi,
    pub handle: *mut c_void,
    pub rows: Vec<Variable>,
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: made below, freed once.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2FreeInstance(self.handle),
                Fmi::Three => fmi3FreeInstance(self.handle),
            }
        }
    }
}

impl Host {
    pub fn try_new(fmi: Fmi, kind: Kind, token: &str, folder: &Path) -> Option<Self> {
        let (name, token) = (CString::new("100 %d #1#").unwrap(), CString::new(token).unwrap());
        let (uri, path) = (CString::new(uri(folder)).unwrap(), CString::new(folder.to_str().unwrap()).unwrap());
        let null = std::ptr::null_mut::<c_void>();
        let callbacks: [*const c_void; 5] = [logger2 as *const c_void, null, null, null, null];
        // SAFETY: arguments as the standards say; the callbacks have the layout of `fmi2CallbackFunctions`.
        let handle = unsafe {
            match fmi {
                Fmi::Two => {
                    let callbacks = callbacks.as_ptr().cast();
                    fmi2Instantiate(name.as_ptr(), 1, token.as_ptr(), uri.as_ptr(), callbacks, 0, 0)
                }
                Fmi::Three => fmi3InstantiateCoSimulation(
                    name.as_ptr(),
                    token.as_ptr(),
                    path.as_ptr(),
                    false,
                    false,
                    false,
                    false,
                    std::ptr::null(),
                    0,
                    null,
                    Some(logger3),
                    std::ptr::null(),
                ),
            }
        };
        let rows = kind.variables(&plant_in(folder), "");
        (!handle.is_null()).then_some(Self { fmi, handle, rows })
    }

    pub fn new(fmi: Fmi, kind: Kind, folder: &Path) -> Self {
        Self::try_new(fmi, kind, &kind.token_for(&plant_in(folder)), folder)
            .unwrap_or_else(|| panic!("{}", log_lines()))
    }

    /// Initialized at time 0.
    pub fn ready(fmi: Fmi, kind: Kind, folder: &Path) -> Self {
        let host = Self::new(fmi, kind, folder);
        assert_eq!((host.enter(), host.exit()), (Status::Ok, Status::Ok), "{}", log_lines());
        host
    }

    pub fn reference(&self, name: &str) -> u32 {
        self.rows.iter().find(|row| row.name == name).map(|row| row.reference).unwrap_or_else(|| panic!("{name}"))
    }

    pub fn enter(&self) -> Status {
        // SAFETY: a live instance.
        unsafe {
            match self.fmi {
                Fmi::Two => {
                    let status = fmi2SetupExperiment(self.handle, 0, 0.0, 0.0, 0, 0.0);
                    if status != Status::Ok { status } else { fmi2EnterInitializationMode(self.handle) }
                }
                Fmi::Three => fmi3EnterInitializationMode(self.handle, false, 0.0, 0.0, false, 0.0),
            }
        }
    }

    pub fn exit(&self) -> Status {
        // SAFETY: a live instance.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2ExitInitializationMode(self.handle),
                Fmi::Three => fmi3ExitInitializationMode(self.handle),
            }
        }
    }

    pub fn reset(&self) -> Status {
        // SAFETY: a live instance.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2Reset(self.handle),
                Fmi::Three => fmi3Reset(self.handle),
            }
        }
    }

    pub fn step(&self, time: f64, size: f64) -> Status {
        let (mut a, mut b, mut c, mut last) = (false, false, false, f64::NAN);
        // SAFETY: a live instance.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2DoStep(self.handle, time, size, 1),
                Fmi::Three => fmi3DoStep(self.handle, time, size, true, &mut a, &mut b, &mut c, &mut last),
            }
        }
    }

    pub fn get_real(&self, reference: u32) -> (Status, f64) {
        let mut value = f64::NAN;
        // SAFETY: a live instance, one reference, one value.
        let status = unsafe {
            match self.fmi {
                Fmi::Two => fmi2GetReal(self.handle, &reference, 1, &mut value),
                Fmi::Three => fmi3GetFloat64(self.handle, &reference, 1, &mut value, 1),
            }
        };
        (status, value)
    }

    pub fn set_real(&self, reference: u32, value: f64) -> Status {
        // SAFETY: a live instance, one reference, one value.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2SetReal(self.handle, &reference, 1, &value),
                Fmi::Three => fmi3SetFloat64(self.handle, &reference, 1, &value, 1),
            }
        }
    }

    /// Several values in one call.
    pub fn set_reals(&self, names: &[&str], values: &[f64]) -> Status {
        let references: Vec<u32> = names.iter().map(|name| self.reference(name)).collect();
        let (references, count) = (references.as_ptr(), names.len().min(values.len()));
        // SAFETY: a live instance, as many references as values.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2SetReal(self.handle, references, count, values.as_ptr()),
                Fmi::Three => fmi3SetFloat64(self.handle, references, count, values.as_ptr(), count),
            }
        }
    }

    /// The end of the last step that was made, as either standard tells it.
    pub fn last_successful_time(&self) -> f64 {
        let mut time = f64::NAN;
        match self.fmi {
            // SAFETY: a live instance, one value.
            Fmi::Two => drop(unsafe { fmi2GetRealStatus(self.handle, 2, &mut time) }),
            Fmi::Three => time = self.get_real(TIME_REFERENCE).1,
        }
        time
    }

    pub fn real(&self, name: &str) -> f64 {
        let (status, value) = self.get_real(self.reference(name));
        assert_eq!(status, Status::Ok, "{}", log_lines());
        value
    }

    pub fn put_real(&self, name: &str, value: f64) {
        assert_eq!(self.set_real(self.reference(name), value), Status::Ok, "{}", log_lines());
    }

    pub fn boolean(&self, name: &str) -> bool {
        let (reference, mut integer, mut boolean) = (self.reference(name), -1, false);
        // SAFETY: a live instance, one reference, one value.
        let status = unsafe {
            match self.fmi {
                Fmi::Two => fmi2GetBoolean(self.handle, &reference, 1, &mut integer),
                Fmi::Three => fmi3GetBoolean(self.handle, &reference, 1, &mut boolean, 1),
            }
        };
        assert_eq!(status, Status::Ok, "{}", log_lines());
        boolean || integer == 1
    }

    pub fn put_boolean(&self, name: &str, value: bool) {
        let reference = self.reference(name);
        // SAFETY: a live instance, one reference, one value.
        let status = unsafe {
            match self.fmi {
                Fmi::Two => fmi2SetBoolean(self.handle, &reference, 1, &c_int::from(value)),
                Fmi::Three => fmi3SetBoolean(self.handle, &reference, 1, &u8::from(value), 1),
            }
        };
        assert_eq!(status, Status::Ok, "{}", log_lines());
    }

    pub fn integer(&self, name: &str) -> i32 {
        let (reference, mut value) = (self.reference(name), -1);
        // SAFETY: a live instance, one reference, one value.
        let status = unsafe {
            match self.fmi {
                Fmi::Two => fmi2GetInteger(self.handle, &reference, 1, &mut value),
                Fmi::Three => fmi3GetInt32(self.handle, &reference, 1, &mut value, 1),
            }
        };
        assert_eq!(status, Status::Ok, "{}", log_lines());
        value
    }

    pub fn text(&self, name: &str) -> String {
        let (reference, mut value) = (self.reference(name), std::ptr::null());
        // SAFETY: a live instance, one reference, one value; the text is copied at once.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2GetString(self.handle, &reference, 1, &mut value),
                Fmi::Three => fmi3GetString(self.handle, &reference, 1, &mut value, 1),
            };
            raw_text(value)
        }
    }

    pub fn set_text(&self, name: &str, value: &str) -> Status {
        let (reference, value) = (self.reference(name), CString::new(value).unwrap());
        // SAFETY: a live instance, one reference, one value.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2SetString(self.handle, &reference, 1, &value.as_ptr()),
                Fmi::Three => fmi3SetString(self.handle, &reference, 1, &value.as_ptr(), 1),
            }
        }
    }

    pub fn put_text(&self, name: &str, value: &str) {
        assert_eq!(self.set_text(name, value), Status::Ok, "{}", log_lines());
    }

    pub fn save(&self, slot: &mut *mut c_void) -> Status {
        // SAFETY: a live instance, null or a live state.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2GetFMUstate(self.handle, slot),
                Fmi::Three => fmi3GetFMUState(self.handle, slot),
            }
        }
    }

    pub fn load(&self, state: *mut c_void) -> Status {
        // SAFETY: a live instance and state.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2SetFMUstate(self.handle, state),
                Fmi::Three => fmi3SetFMUState(self.handle, state),
            }
        }
    }

    pub fn free_state(&self, slot: &mut *mut c_void) {
        // SAFETY: a live instance and state.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2FreeFMUstate(self.handle, slot),
                Fmi::Three => fmi3FreeFMUState(self.handle, slot),
            };
        }
    }

    pub fn bytes(&self, state: *mut c_void) -> Vec<u8> {
        let mut size = 0;
        // SAFETY: a live instance and state, a buffer of the asked size.
        unsafe {
            match self.fmi {
                Fmi::Two => {
                    assert_eq!(fmi2SerializedFMUstateSize(self.handle, state, &mut size), Status::Ok);
                    let mut bytes = vec![0; size];
                    assert_eq!(fmi2SerializeFMUstate(self.handle, state, bytes.as_mut_ptr(), size), Status::Ok);
                    bytes
                }
                Fmi::Three => {
                    assert_eq!(fmi3SerializedFMUStateSize(self.handle, state, &mut size), Status::Ok);
                    let mut bytes = vec![0; size];
                    assert_eq!(fmi3SerializeFMUState(self.handle, state, bytes.as_mut_ptr(), size), Status::Ok);
                    bytes
                }
            }
        }
    }

    pub fn state_from(&self, bytes: &[u8], slot: &mut *mut c_void) -> Status {
        // SAFETY: a live instance, readable bytes, null or a live state.
        unsafe {
            match self.fmi {
                Fmi::Two => fmi2DeSerializeFMUstate(self.handle, bytes.as_ptr(), bytes.len(), slot),
                Fmi::Three => fmi3DeserializeFMUState(self.handle, bytes.as_ptr(), bytes.len(), slot),
            }
        }
    }
}
