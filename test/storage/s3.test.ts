// The store on a real S3 server. Faults are in test/end-to-end/s3-*.test.ts.

import { S3Store } from '../../server/storage/s3.js'
import { createTestBucket, describeS3 } from '../support/s3.js'
import { storeContract } from './store-contract.js'

describeS3('S3Store on a real server', () => {
  storeContract('S3Store', async () => {
    const bucket = await createTestBucket()
    const store = new S3Store(bucket.settings(), 64 * 1024 ** 2)
    return {
      store,
      dispose: async () => {
        await store.close()
        await bucket.drop()
      },
    }
  })
})
