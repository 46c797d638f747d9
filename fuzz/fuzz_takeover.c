/* SPDX-License-Identifier: Unlicense
 *
 * What a dead collector left behind, changed in any way, is taken over. Commands: stage.h.
 */
#include "fuzz.h"
#include "stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stage_begin();
    stage_run((struct mpl_str){(const char *)data, size});
    stage_end();
    return 0;
}
