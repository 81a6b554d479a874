# SPDX-License-Identifier: Apache-2.0
sa_unit_test(exporter_metrics exporter_metrics.c LINK sa_exporter)
sa_unit_test(exporter_page exporter_page.c LINK sa_exporter)
