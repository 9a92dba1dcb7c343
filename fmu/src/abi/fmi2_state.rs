//! FMI 2.0: saved states, and the functions of capabilities that the models do not have.

use super::raw::{self, Handle, StateHandle};
use crate::fault::{Fault, Status};
use crate::instance::Instance;
use std::ffi::{c_char, c_int, c_uint};

/// Saves the state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetFMUstate(c: Handle, slot: *mut StateHandle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| raw::keep_state(slot, instance.state()).map(|()| Status::Ok)) }
}

/// Goes back to a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2SetFMUstate(c: Handle, state: StateHandle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |instance| instance.restore(raw::state(state)?).map(|()| Status::Ok)) }
}

/// Frees a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2FreeFMUstate(c: Handle, slot: *mut StateHandle) -> Status {
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
pub unsafe extern "C" fn fmi2SerializedFMUstateSize(c: Handle, state: StateHandle, size: *mut usize) -> Status {
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
pub unsafe extern "C" fn fmi2SerializeFMUstate(c: Handle, state: StateHandle, bytes: *mut u8, size: usize) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| raw::put_bytes(raw::state(state)?, bytes, size).map(|()| Status::Ok)) }
}

/// A saved state from bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2DeSerializeFMUstate(
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

/// Not a capability of the models.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetDirectionalDerivative(
    c: Handle,
    _: *const c_uint,
    _: usize,
    _: *const c_uint,
    _: usize,
    _: *const f64,
    _: *mut f64,
) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Err(Fault::error("fmi2GetDirectionalDerivative is not supported"))) }
}

/// Not a capability of the models: inputs are held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2SetRealInputDerivatives(
    c: Handle,
    _: *const c_uint,
    _: usize,
    _: *const c_int,
    _: *const f64,
) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Err(Fault::error("fmi2SetRealInputDerivatives is not supported"))) }
}

/// Not a capability of the models.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetRealOutputDerivatives(
    c: Handle,
    _: *const c_uint,
    _: usize,
    _: *const c_int,
    _: *mut f64,
) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Err(Fault::error("fmi2GetRealOutputDerivatives is not supported"))) }
}

/// Steps are never asynchronous, so there is nothing to cancel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2CancelStep(c: Handle) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Err(Fault::error("fmi2CancelStep: no step is pending"))) }
}

/// Steps are never asynchronous: there is no pending status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetStatus(c: Handle, _kind: c_int, _: *mut c_int) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Ok(Status::Discard)) }
}

/// The last communication point (`fmi2LastSuccessfulTime` = 2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetRealStatus(c: Handle, kind: c_int, value: *mut f64) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |instance| {
            if kind != 2 {
                return Ok(Status::Discard);
            }
            raw::put(value, instance.now())?;
            Ok(Status::Ok)
        })
    }
}

/// There is no integer status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetIntegerStatus(c: Handle, _kind: c_int, _: *mut c_int) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Ok(Status::Discard)) }
}

/// Whether the model wants to end (`fmi2Terminated` = 3): never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetBooleanStatus(c: Handle, kind: c_int, value: *mut c_int) -> Status {
    // SAFETY: see `raw`.
    unsafe {
        raw::call(c, |_| {
            if kind != 3 {
                return Ok(Status::Discard);
            }
            raw::put(value, 0)?;
            Ok(Status::Ok)
        })
    }
}

/// Steps are never asynchronous: there is no pending status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fmi2GetStringStatus(c: Handle, _kind: c_int, _: *mut *const c_char) -> Status {
    // SAFETY: see `raw`.
    unsafe { raw::call(c, |_| Ok(Status::Discard)) }
}
