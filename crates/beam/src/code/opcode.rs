//! The instructions' numbers and how many operands they have.
//!
//! Facts of OTP's `genop.tab`: a number is never given to another instruction. Those that OTP 24 no longer loads are not
//! known here either.

/// `label Label`.
pub const LABEL: u8 = 1;
/// `func_info Module Function Arity`: the beginning of a function.
pub const FUNC_INFO: u8 = 2;
/// `int_code_end`: the end of the code.
pub const INT_CODE_END: u8 = 3;
/// `test_heap Need Live`.
pub const TEST_HEAP: u8 = 16;
/// `return`.
pub const RETURN: u8 = 19;
/// `loop_rec Label Source`: the beginning of a `receive` with patterns.
pub const LOOP_REC: u8 = 23;
/// `wait Label`: waits for a message.
pub const WAIT: u8 = 25;
/// `wait_timeout Label Time`: waits for a message, or until a time is over.
pub const WAIT_TIMEOUT: u8 = 26;
/// `bif2 Fail Import First Second Destination`.
pub const BIF2: u8 = 11;
/// `test_arity Fail Source Size`.
pub const TEST_ARITY: u8 = 58;
/// `select_tuple_arity Source Fail [Size, Label, …]`.
pub const SELECT_TUPLE_ARITY: u8 = 60;
/// `move Source Destination`.
pub const MOVE: u8 = 64;
/// `bs_put_string Length Offset`.
pub const BS_PUT_STRING: u8 = 92;
/// `bs_match_string Fail Context Bits Offset`.
pub const BS_MATCH_STRING: u8 = 132;
/// `on_load`: the module has a function that runs when it is loaded.
pub const ON_LOAD: u8 = 149;
/// `line Row`.
pub const LINE: u8 = 153;
/// `put_map_assoc Fail Source Destination Live Pairs`: builds a map, or adds to one.
pub const PUT_MAP_ASSOC: u8 = 154;
/// `put_map_exact Fail Source Destination Live Pairs`: changes a map that must have these keys.
pub const PUT_MAP_EXACT: u8 = 155;
/// `has_map_fields Fail Source Keys`.
pub const HAS_MAP_FIELDS: u8 = 157;
/// `get_map_elements Fail Source Pairs`: keys, and where their values go.
pub const GET_MAP_ELEMENTS: u8 = 158;
/// `is_tagged_tuple Fail Source Size Atom`.
pub const IS_TAGGED_TUPLE: u8 = 159;
/// `put_tuple2 Destination Elements`.
pub const PUT_TUPLE2: u8 = 164;
/// `bs_create_bin Fail Allocation Live Unit Destination Segments`.
pub const BS_CREATE_BIN: u8 = 177;
/// `executable_line Row Line`.
pub const EXECUTABLE_LINE: u8 = 183;
/// `debug_line Kind Row Index Live`.
pub const DEBUG_LINE: u8 = 184;

/// Not loaded since OTP 24 at the latest.
const GONE: u8 = 255;

/// Numbers of operands, by the instruction's number.
#[rustfmt::skip]
const ARITIES: [u8; 192] = [
    // 0
    GONE, 1, 3, 0, 2, 3, 2, 2, 3, 2,
    // 10: bif1
    4, 5, 2, 3, 2, 3, 2, 1, 1, 0,
    // 20: send
    0, 0, 0, 2, 1, 1, 2, GONE, GONE, GONE,
    // 30
    GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, 3,
    // 40: is_ge
    3, 3, 3, 3, 3, 2, 2, 2, 2, 2,
    // 50: is_reference
    2, 2, 2, 2, GONE, 2, 2, 2, 3, 3,
    // 60: select_tuple_arity
    3, 1, 2, 1, 2, 3, 3, 3, GONE, 3,
    // 70: put_tuple
    2, 1, 1, 0, 1, 1, GONE, 2, 2, GONE,
    // 80
    GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, GONE, 5,
    // 90: bs_put_binary
    5, 5, 2, GONE, 0, 1, 2, 2, 4, 4,
    // 100: fmul
    4, 4, 3, 1, 2, 1, 1, 1, 2, 6,
    // 110
    GONE, 5, 1, 2, 2, 3, 5, 7, 7, 7,
    // 120: bs_skip_bits2
    5, 3, 2, 2, 5, 6, GONE, GONE, GONE, 2,
    // 130: bs_context_to_binary
    1, 3, 4, 0, 8, 6, 2, 6, 5, 4,
    // 140: bs_get_utf16
    5, 4, 5, 4, 3, 3, 3, 3, 3, 0,
    // 150: recv_mark
    1, 1, 7, 1, 5, 5, 2, 3, 3, 4,
    // 160: build_stacktrace
    0, 0, 2, 2, 2, 3, 4, 3, 2, 2,
    // 170: bs_start_match4, make_fun3, init_yregs, recv_marker_*
    4, 3, 1, 2, 1, 1, 1, 6, 3, 0,
    // 180: badrecord, update_record, bs_match, executable_line, debug_line; since OTP 29 bif3 and native records
    1, 5, 3, 2, 4, 6, 2, 4, 3, 6,
    // 190: is_record_accessible
    3, 5,
];

/// How many operands an instruction has; `None` for one that is not known.
pub fn arity(number: u8) -> Option<u8> {
    ARITIES.get(usize::from(number)).copied().filter(|&arity| arity != GONE)
}

/// Which of its operands is a row of the table of imports.
pub(super) fn import_operand(number: u8) -> Option<usize> {
    match number {
        // bif0
        9 => Some(0),
        // call_ext, call_ext_last, call_ext_only, bif1, bif2, bif3
        7 | 8 | 78 | 10 | 11 | 185 => Some(1),
        // gc_bif1, gc_bif2, gc_bif3
        124 | 125 | 152 => Some(2),
        _ => None,
    }
}

/// Which of its operands is a row of the table of closures.
pub(super) fn closure_operand(number: u8) -> Option<usize> {
    // make_fun2, make_fun3
    matches!(number, 103 | 171).then_some(0)
}

/// Whether it only says where in the source the code is.
pub(super) fn is_about_lines(number: u8) -> bool {
    matches!(number, LINE | EXECUTABLE_LINE | DEBUG_LINE)
}
