import { describeShortStorm } from '../storm/short-storm.ts';
import { startPlatform } from '../support/platform.ts';

describeShortStorm('a platform', startPlatform);
