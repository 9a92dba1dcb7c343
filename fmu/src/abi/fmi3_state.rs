//! FMI 3.0: saved states and variable dependencies.

use super::raw::{self, Handle, StateHandle};
use crate::fault::Status;
use crate::instance::Instance;

/// Saves the state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3GetFMUState(c: Handle, slot: *mut StateHandle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| raw::keep_state(slot, instance.state()).map(|()| Status::Ok)) }
}

/// Goes back to a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3SetFMUState(c: Handle, state: StateHandle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.restore(raw::state(state)?).map(|()| Status::Ok)) }
}

/// Frees a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3FreeFMUState(c: Handle, slot: *mut StateHandle) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |_| {
            raw::free_state(slot);
            Ok(Status::Ok)
        })
    }
}

/// Bytes that a saved state takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3SerializedFMUStateSize(c: Handle, state: StateHandle, size: *mut usize) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |_| {
            raw::put(size, Instance::serialize(raw::state(state)?)?.len())?;
            Ok(Status::Ok)
        })
    }
}

/// A saved state as bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3SerializeFMUState(c: Handle, state: StateHandle, bytes: *mut u8, size: usize) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| raw::put_bytes(raw::state(state)?, bytes, size).map(|()| Status::Ok)) }
}

/// A saved state from bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3DeserializeFMUState(
    c: Handle,
    bytes: *const u8,
    size: usize,
    slot: *mut StateHandle,
) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |_| raw::keep_state(slot, Instance::deserialize(raw::read(bytes, size)?)?).map(|()| Status::Ok))
    }
}

/// No variable depends on another within a communication point.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3GetNumberOfVariableDependencies(c: Handle, vr: u32, count: *mut usize) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            instance.row(vr)?;
            raw::put(count, 0)?;
            Ok(Status::Ok)
        })
    }
}

/// See [`fmi3GetNumberOfVariableDependencies`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi3GetVariableDependencies(
    c: Handle,
    vr: u32,
    _: *mut usize,
    _: *mut u32,
    _: *mut usize,
    _: *mut u32,
    _count: usize,
) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.row(vr).map(|_| Status::Ok)) }
}
