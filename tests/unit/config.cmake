# SPDX-License-Identifier: Apache-2.0
sa_unit_test(config_yaml config_yaml.c LINK sa_config)
