// SPDX-License-Identifier: Apache-2.0
/**
 * Clouddriver's SQL cache as far as agents fill it: rows made by Clouddriver's own converter,
 * written in the layout of cats, in the transaction of the store. docs/explanation/plugin-cache.md
 * says which rows stock polling leaves, and why these are the same.
 */
package io.scaleagent.clouddriver.cache;
