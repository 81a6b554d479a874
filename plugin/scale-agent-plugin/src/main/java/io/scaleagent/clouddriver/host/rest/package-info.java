// SPDX-License-Identifier: Apache-2.0
/** What the plugin answers over Clouddriver's HTTP port, by the paths and names of Armory's API. */
package io.scaleagent.clouddriver.host.rest;
