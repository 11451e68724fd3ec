import { describeShortStorm } from '../storm/short-storm.ts';
import { startContainers } from './container-platform.ts';
import { describeWithDocker } from './describe-with-docker.ts';

describeWithDocker('by Docker', () => describeShortStorm('a platform in containers', startContainers));
