/* SPDX-License-Identifier: Apache-2.0 */
/* scale-agentd: the supervisor, and the entry points of the processes that it forks. */
#include "exporter/exporter.h"
#include "supervisor/commandline.h"
#include "uplink/uplink.h"
#include "worker/credential.h"
#include "worker/worker.h"

int main(int argc, char **argv)
{
    static const struct sa_child_mains mains = {
        .worker = sa_worker_main,
        .helper = sa_helper_main,
        .uplink = sa_uplink_main,
        .exporter = sa_exporter_main,
        .prepare = sa_worker_prepare,
    };

    return sa_supervisor_main(argc, argv, &mains);
}
