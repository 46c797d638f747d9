/* SPDX-License-Identifier: Unlicense
 *
 * A member's segment and the control file change while the collector passes over them. Commands: stage.h.
 */
#include "fuzz.h"
#include "stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stage_begin();
    FUZZ_CHECK(stage_take_over());
    stage_run((struct mpl_str){(const char *)data, size});
    stage_end();
    return 0;
}
